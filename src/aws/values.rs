//! JSON documents of services and metadata endpoints, in bounded memory.

use serde_json::Value;

/// The most commas of a document: a value takes 30 times the bytes of the `0,` that makes it. The largest tables of Glue
/// have some ten thousand columns.
const MOST_COMMAS: usize = 500_000;

/// Parses a document; nothing where it is no JSON, or has too many values.
pub(crate) fn parse(document: &[u8]) -> Option<Value> {
    let commas = memchr::memchr_iter(b',', document).take(MOST_COMMAS + 1);
    if commas.count() > MOST_COMMAS {
        return None;
    }
    serde_json::from_slice(document).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_table_is_read_and_a_bomb_is_not() {
        let column =
            r#"{"Name":"c","Type":"struct<a:int,b:int>","Comment":"x","Parameters":{"a":"b"}}"#;
        let columns = vec![column; 50_000].join(",");
        assert!(parse(format!("[{columns}]").as_bytes()).is_some());
        assert!(parse(format!("[{}0]", "0,".repeat(MOST_COMMAS + 1)).as_bytes()).is_none());
        assert!(parse("[".repeat(1 << 20).as_bytes()).is_none());
        assert!(parse(b"{\"a\":1").is_none());
    }
}
