//! Names of tables, databases, columns and struct fields, made from the names that sources use.
//!
//! The rule is awswrangler's, so that tables and columns made by the Python connector are found again: NFD, nonspacing
//! marks dropped, each run of characters outside `[A-Za-z0-9_]` to one `_`, lower case.
//! Where that rule gives nothing usable, or the same name twice, a digest of the original name is added.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

use sha2::{Digest, Sha256};
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

/// The longest name that the catalog takes (`NameString` of the Glue API).
const LONGEST: usize = 255;

/// How many hexadecimal digits of a digest tell two names apart.
const DIGITS: usize = 8;

/// The kind of thing that a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// A column may begin with a digit.
    Column,
    /// A field of a struct is not quoted in a type string, so it must match `[a-z_][a-z0-9_]*`.
    Field,
}

/// The rule of the Python connector and nothing more: the result may be empty, too long, or underscores only.
pub(crate) fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    let mut in_run = false;
    let mut take = |character: char| {
        if is_combining_mark(character) && !is_enclosing_mark(character) {
            return;
        }
        if character.is_ascii_alphanumeric() || character == '_' {
            folded.push(character.to_ascii_lowercase());
            in_run = false;
        } else if !in_run {
            folded.push('_');
            in_run = true;
        }
    };
    // NFD but for the order of marks, and those that have an order (a combining class) are dropped.
    name.chars()
        .for_each(|character| decompose_canonical(character, &mut take));
    folded
}

/// The name of a stream's table.
///
/// Two streams may fold to one table; the caller must refuse that.
pub(crate) fn table(stream: &str) -> String {
    usable(stream)
}

/// The name of the database of a namespace.
///
/// The Python connector folds no databases, and hyphens are common in their names, so those stay; the catalog itself
/// puts names in lower case.
pub(crate) fn database(namespace: &str) -> String {
    let name = namespace.to_ascii_lowercase();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if begins_well && name.len() <= LONGEST && name.bytes().all(is_plain) {
        name
    } else {
        usable(namespace)
    }
}

/// The name that the Python connector gave to the database of a namespace, as the catalog puts it, where that is another
/// than [`database`]'s: it sent the namespace as it was.
pub(crate) fn database_of_the_python_connector(namespace: &str) -> Option<String> {
    let name = namespace.to_lowercase();
    let is_usable = !name.is_empty()
        && name.len() <= LONGEST
        && !name.starts_with('.')
        && !name.contains(|character: char| character.is_control() || "/\\".contains(character));
    (is_usable && name != database(namespace)).then_some(name)
}

/// One name for each property of an object, all different and none of them reserved.
///
/// A name depends on which properties there are, never on their order. Where several would share a name, the property that
/// is spelled so keeps it and the others get a suffix made from their own spelling; equal properties share a name.
pub(crate) fn distinct(properties: &[&str], kind: NameKind, reserved: &[&str]) -> Vec<String> {
    let plain: Vec<String> = properties
        .iter()
        .map(|property| placed(property, kind))
        .collect();
    let mut sharers: HashMap<&str, HashSet<&str>> = HashMap::with_capacity(plain.len());
    for (name, property) in plain.iter().zip(properties) {
        sharers.entry(name).or_default().insert(property);
    }
    let keeps_plain = |name: &str, property: &str| {
        !reserved.contains(&name) && (sharers[name].len() == 1 || name == property)
    };

    let mut taken: HashSet<String> = reserved.iter().map(ToString::to_string).collect();
    let mut waiting: Vec<(&str, &str)> = Vec::new();
    for (name, &property) in plain.iter().zip(properties) {
        if keeps_plain(name, property) {
            taken.insert(name.clone());
        } else {
            waiting.push((property, name));
        }
    }
    waiting.sort_unstable();
    waiting.dedup();

    let mut suffixed: HashMap<&str, String> = HashMap::with_capacity(waiting.len());
    // A suffixed name can meet the plain name of another property, or another suffixed name: those that meet something
    // try their next digest, all together, so that the order does not matter. Each round makes new names and the
    // taken ones are finite, so this ends; a second round is next to never seen.
    let mut round = 0;
    while !waiting.is_empty() {
        let mut claims: HashMap<String, usize> = HashMap::with_capacity(waiting.len());
        for (property, name) in &waiting {
            *claims
                .entry(with_suffix(name, property, round))
                .or_default() += 1;
        }
        waiting.retain(|(property, name)| {
            let candidate = with_suffix(name, property, round);
            let free = claims[&candidate] == 1 && !taken.contains(&candidate);
            if free {
                suffixed.insert(property, candidate);
            }
            !free
        });
        taken.extend(claims.into_keys());
        round += 1;
    }

    plain
        .iter()
        .zip(properties)
        .map(|(name, property)| suffixed.get(property).unwrap_or(name).clone())
        .collect()
}

/// The name of a property where another column has its plain name: with a suffix made from its spelling. Each round gives
/// another one.
pub(super) fn suffixed(property: &str, kind: NameKind, round: u32) -> String {
    with_suffix(&placed(property, kind), property, round)
}

/// The name of the column for values of a property that its own column, `name`, cannot hold.
pub(super) fn variant(name: &str, word: &str, property: &str) -> String {
    within_limit(format!("{name}_{word}"), property)
}

/// The name that a property gets where another one is spelled like the name that they share; none where it is that one.
pub(super) fn suffixed_of_another(property: &str, kind: NameKind) -> Option<String> {
    let plain = placed(property, kind);
    (plain != property).then(|| with_suffix(&plain, property, 0))
}

/// The name of a new column for a property: `name` itself, or the first one with a suffix that is free.
pub(super) fn free(
    name: &str,
    property: &str,
    kind: NameKind,
    is_taken: impl Fn(&str) -> bool,
) -> String {
    let mut name = name.to_owned();
    let mut round = 0;
    while is_taken(&name) {
        name = suffixed(property, kind, round);
        round += 1;
    }
    name
}

/// Category Me, which the rule keeps (it becomes `_`, as in `1️⃣`); categories Mn and Mc are not distinguished, because a
/// spacing mark (Mc) follows a letter of its own script, where the run of `_` has begun already.
fn is_enclosing_mark(character: char) -> bool {
    matches!(character,
        '\u{488}'..='\u{489}' | '\u{1ABE}' | '\u{20DD}'..='\u{20E0}' | '\u{20E2}'..='\u{20E4}' | '\u{A670}'..='\u{A672}')
}

/// The folded name, or one with a digest where folding leaves no letter and no digit, or too many.
fn usable(name: &str) -> String {
    let folded = fold(name);
    if folded.bytes().all(|byte| byte == b'_') {
        return with_suffix("name", name, 0);
    }
    within_limit(folded, name)
}

fn placed(property: &str, kind: NameKind) -> String {
    let mut name = usable(property);
    if kind == NameKind::Field && name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
        name = within_limit(name, property);
    }
    name
}

fn within_limit(name: String, original: &str) -> String {
    if name.len() > LONGEST {
        with_suffix(&name, original, 0)
    } else {
        name
    }
}

/// `name_1a2b3c4d`, the name cut so that all of it fits; the digits are of the original name and the round.
fn with_suffix(name: &str, original: &str, round: u32) -> String {
    let mut hasher = Sha256::new().chain_update(original);
    if round > 0 {
        hasher.update(round.to_be_bytes());
    }
    let kept = name.len().min(LONGEST - 1 - DIGITS);
    let mut suffixed = String::with_capacity(kept + 1 + DIGITS);
    suffixed.push_str(&name[..kept]);
    suffixed.push('_');
    for byte in &hasher.finalize()[..DIGITS / 2] {
        write!(suffixed, "{byte:02x}").expect("a String takes every write");
    }
    suffixed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_as_awswrangler_does() {
        for (name, folded) in [
            ("My Stream", "my_stream"),
            ("Ünï côl-1", "uni_col_1"),
            ("userID", "userid"),
            ("a.b", "a_b"),
            ("1abc", "1abc"),
            ("_x", "_x"),
            ("id ", "id_"),
            ("Straße", "stra_e"),
            ("日本", "_"),
            ("a__b", "a__b"),
            ("a - _b", "a__b"),
            ("1️⃣", "1_"),
            ("\u{212A}elvin", "kelvin"),
            ("", ""),
        ] {
            assert_eq!(fold(name), folded, "{name:?}");
        }
    }

    #[test]
    fn names_without_a_latin_letter_stay_apart() {
        let names = distinct(&["日本", "中国", "", "_", "__"], NameKind::Column, &[]);
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 5, "{names:?}");
        assert!(
            names.iter().all(|name| name.starts_with("name_")),
            "{names:?}"
        );
        assert_eq!(table("日本"), names[0]);
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let one = "a".repeat(300);
        let other = format!("{}b", "a".repeat(299));
        let names = distinct(&[&one, &other], NameKind::Column, &[]);
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.len() == LONGEST));
        assert_eq!(placed(&"1".repeat(255), NameKind::Field).len(), LONGEST);
    }

    #[test]
    fn the_property_that_is_spelled_like_the_name_keeps_it() {
        let names = distinct(
            &["userID", "userid", "UserId", "other"],
            NameKind::Column,
            &[],
        );
        assert_eq!(names[1], "userid");
        assert_eq!(names[3], "other");
        assert!(names[0].starts_with("userid_") && names[2].starts_with("userid_"));
        assert_ne!(names[0], names[2]);
    }

    #[test]
    fn reserved_names_are_never_given() {
        let names = distinct(
            &["_rescued_data", "_Rescued_Data", "a"],
            NameKind::Column,
            &["_rescued_data"],
        );
        assert!(!names.contains(&"_rescued_data".to_string()), "{names:?}");
        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn a_suffix_that_is_taken_is_replaced() {
        let first = with_suffix("a", "A", 0);
        let second = with_suffix("a", "A", 1);
        let names = distinct(&["A", "a", &first, &second], NameKind::Column, &[]);
        assert_eq!(names[1..], ["a", &first, &second]);
        assert_eq!(names[0], with_suffix("a", "A", 2));
    }

    #[test]
    fn databases_keep_their_hyphens() {
        for (namespace, name) in [
            ("my-Lake", "my-lake"),
            ("public", "public"),
            ("_x", "_x"),
            ("-a", "_a"),
            ("my lake", "my_lake"),
        ] {
            assert_eq!(database(namespace), name);
        }
        assert_eq!(database("日本"), table("日本"));
    }

    #[test]
    fn the_python_connector_named_databases_as_namespaces() {
        for (namespace, name) in [
            ("My Source.v1", Some("my source.v1")),
            ("Ünï", Some("ünï")),
            ("my-Lake", None),
            ("..", None),
            ("a/b", None),
            ("", None),
        ] {
            assert_eq!(database_of_the_python_connector(namespace).as_deref(), name);
        }
    }

    #[test]
    fn struct_fields_begin_with_no_digit() {
        let names = distinct(&["1a", "_1a"], NameKind::Field, &[]);
        assert_eq!(names[1], "_1a");
        assert!(names[0].starts_with("_1a_"));
        assert_eq!(distinct(&["1a"], NameKind::Column, &[]), ["1a"]);
    }
}
