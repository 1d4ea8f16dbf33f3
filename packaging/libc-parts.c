/* Parts of glibc that the static program has in a short form: 0.22 MB less (2026-12-01, x86-64). Makefile has the linker take
   each `short_…` in the place of glibc's function of that name. None of them is on the way of a row: Rust calls none of the
   functions of texts, and what is left of glibc calls them for names of hosts and for files such as /etc/hosts.

   - Texts: glibc has each of these functions up to eight times, for one generation of processors after the other.
   - Messages: names of errors are not translated, as no locale is ever set. Catalogs of translations are not looked for,
     so the conversion of character sets is not needed either.
   - The place of the stack, which Rust wants to know for a message before a program ends whose stack is full: glibc reads
     it with scanf from a file of the kernel, and that takes all of C's numbers along. The kernel ends such a program too. */

#include <errno.h>
#include <stddef.h>

typedef const unsigned char *text;

static int lower(int c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; }

int short_strncmp(text a, text b, size_t most) {
  for (; most && *a && *a == *b; a++, b++) most--;
  return most ? *a - *b : 0;
}

int short_strcmp(text a, text b) { return short_strncmp(a, b, (size_t)-1); }

/* Those with a locale, `…_l`, have it after these arguments. */
int short_strncasecmp(text a, text b, size_t most) {
  for (; most && *a && lower(*a) == lower(*b); a++, b++) most--;
  return most ? lower(*a) - lower(*b) : 0;
}

int short_strcasecmp(text a, text b) { return short_strncasecmp(a, b, (size_t)-1); }

char *short_stpcpy(char *to, const char *from) {
  while ((*to = *from++)) to++;
  return to;
}

char *short_strcpy(char *to, const char *from) {
  short_stpcpy(to, from);
  return to;
}

char *short_strncpy(char *to, const char *from, size_t size) {
  for (char *at = to; size; size--) {
    *at++ = *from;
    if (*from) from++;
  }
  return to;
}

size_t short_strnlen(const char *of, size_t most) {
  size_t length = 0;
  while (length < most && of[length]) length++;
  return length;
}

/* The first `c`, or else the end. */
char *short_strchrnul(const char *in, int c) {
  while (*in && *in != (char)c) in++;
  return (char *)in;
}

char *short_strchr(const char *in, int c) {
  char *found = short_strchrnul(in, c);
  return *found == (char)c ? found : NULL;
}

char *short_strrchr(const char *in, int c) {
  const char *last = NULL;
  do
    if (*in == (char)c) last = in;
  while (*in++);
  return (char *)last;
}

void *short_rawmemchr(const void *in, int c) {
  text at = in;
  while (*at != (unsigned char)c) at++;
  return (void *)at;
}

char *short_dcgettext(const char *domain, const char *message, int category) {
  (void)domain;
  (void)category;
  return (char *)message;
}

int short_pthread_getattr_np(void) { return ENOSYS; }
