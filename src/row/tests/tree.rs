//! A JSON value as a tree that forgets nothing: the text of every value, and every member of an object.

/// A value and its text.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub(super) text: &'a str,
    pub(super) value: Value<'a>,
}

#[derive(Debug)]
pub(super) enum Value<'a> {
    Null,
    Boolean,
    Number,
    String,
    Array(Vec<Tree<'a>>),
    /// Members in their order, duplicates included; keys with their quotes.
    Object(Vec<(&'a str, Tree<'a>)>),
}

/// Reads text that is known to be valid.
pub(super) fn read(text: &str) -> Tree<'_> {
    let (tree, rest) = value(text.trim_ascii_start());
    assert!(rest.trim_ascii_start().is_empty(), "left over: {rest:?}");
    tree
}

fn value(text: &str) -> (Tree<'_>, &str) {
    let (value, rest) = match text.as_bytes()[0] {
        b'n' => (Value::Null, &text[4..]),
        b't' => (Value::Boolean, &text[4..]),
        b'f' => (Value::Boolean, &text[5..]),
        b'"' => (Value::String, after_string(text)),
        b'[' => {
            let mut elements = Vec::new();
            let mut rest = text[1..].trim_ascii_start();
            while !rest.starts_with(']') {
                let (element, after) = self::value(rest.trim_start_matches(',').trim_ascii_start());
                elements.push(element);
                rest = after.trim_ascii_start();
            }
            (Value::Array(elements), &rest[1..])
        }
        b'{' => {
            let mut members = Vec::new();
            let mut rest = text[1..].trim_ascii_start();
            while !rest.starts_with('}') {
                let key = rest.trim_start_matches(',').trim_ascii_start();
                let after = after_string(key);
                let key = &key[..key.len() - after.len()];
                let after = after.trim_ascii_start().strip_prefix(':').expect("a colon");
                let (member, after) = self::value(after.trim_ascii_start());
                members.push((key, member));
                rest = after.trim_ascii_start();
            }
            (Value::Object(members), &rest[1..])
        }
        _ => {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
            (Value::Number, &text[end.unwrap_or(text.len())..])
        }
    };
    let text = &text[..text.len() - rest.len()];
    (Tree { text, value }, rest)
}

fn after_string(text: &str) -> &str {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return &text[index + 1..],
            _ => {}
        }
    }
    panic!("no end of a string: {text:?}");
}

/// The UTF-16 code units that a string in its quotes stands for.
pub(super) fn units(string: &str) -> Vec<u16> {
    let mut units = Vec::new();
    let mut rest = string[1..string.len() - 1].chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
            continue;
        }
        units.push(match rest.next().expect("an escape") {
            'b' => 8,
            'f' => 12,
            'n' => 10,
            'r' => 13,
            't' => 9,
            'u' => {
                let digits: String = rest.by_ref().take(4).collect();
                u16::from_str_radix(&digits, 16).expect("four digits")
            }
            other => u16::try_from(u32::from(other)).expect("an ASCII character"),
        });
    }
    units
}

/// The text that a string stands for, if it is Unicode.
pub(super) fn decoded(string: &str) -> Option<String> {
    String::from_utf16(&units(string)).ok()
}
