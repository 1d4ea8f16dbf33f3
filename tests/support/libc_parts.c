/* Compares the short forms of glibc's functions with glibc's own, over random texts of few letters, some of them beyond
   ASCII. Each text ends right before a page that cannot be read. Prints how many comparisons agreed. */

#define _GNU_SOURCE
#include "../../packaging/libc-parts.c"

#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

static long agreed;

static void check(const char *name, long expected, long found, const char *a, const char *b) {
  if (expected != found) {
    printf("%s(\"%s\", \"%s\"): expected %ld, found %ld\n", name, a, b, expected, found);
    exit(1);
  }
  agreed++;
}

static int sign(int number) { return (number > 0) - (number < 0); }

/* A page of memory before one that cannot be read; its end is returned. */
static char *page_end(void) {
  long page = sysconf(_SC_PAGESIZE);
  char *at = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED || mprotect(at + page, page, PROT_NONE)) exit(2);
  return at + page;
}

static char *text_before(char *end) {
  static const char letters[] = "aAbBzZ@[`{\xe9\xc9\x80\xff";
  int length = rand() % 9;
  char *text = end - length - 1;
  for (int index = 0; index < length; index++) text[index] = letters[rand() % (sizeof letters - 1)];
  text[length] = 0;
  return text;
}

int main(int count, char **arguments) {
  srand(count > 1 ? atoi(arguments[1]) : 0);
  locale_t c = newlocale(LC_ALL_MASK, "C", NULL);
  char *ends[2] = {page_end(), page_end()};
  for (int round = 0; round < 200000; round++) {
    char *a = text_before(ends[0]), *b = text_before(ends[1]);
    text ta = (text)a, tb = (text)b;
    size_t most = rand() % 10;
    int letter = a[rand() % (strlen(a) + 1)];
    check("strcmp", sign(strcmp(a, b)), sign(short_strcmp(ta, tb)), a, b);
    check("strncmp", sign(strncmp(a, b, most)), sign(short_strncmp(ta, tb, most)), a, b);
    check("strcasecmp", sign(strcasecmp_l(a, b, c)), sign(short_strcasecmp(ta, tb)), a, b);
    check("strncasecmp", sign(strncasecmp_l(a, b, most, c)), sign(short_strncasecmp(ta, tb, most)), a, b);
    check("strnlen", strnlen(a, most), short_strnlen(a, most), a, b);
    check("strchr", (long)strchr(b, letter), (long)short_strchr(b, letter), a, b);
    check("strrchr", (long)strrchr(b, letter), (long)short_strrchr(b, letter), a, b);
    check("strchrnul", (long)strchrnul(b, letter), (long)short_strchrnul(b, letter), a, b);
    check("rawmemchr", (long)rawmemchr(a, letter), (long)short_rawmemchr(a, letter), a, b);
    char expected[16], found[16];
    memset(expected, 7, sizeof expected);
    memset(found, 7, sizeof found);
    check("stpcpy", stpcpy(expected, a) - expected, short_stpcpy(found, a) - found, a, b);
    check("strcpy", found - found, short_strcpy(found, a) - found, a, b);
    strncpy(expected, b, most);
    check("strncpy", 0, short_strncpy(found, b, most) - found, a, b);
    check("copies", 0, memcmp(expected, found, sizeof found), a, b);
    check("dcgettext", (long)b, (long)short_dcgettext(a, b, 0), a, b);
  }
  printf("%ld comparisons agree\n", agreed);
  return 0;
}
