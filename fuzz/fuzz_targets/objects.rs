//! An input of `load`: the same objects whatever the pieces in which it arrives, each of them an object to serde_json, and
//! all objects of an input that is nothing else.

#![no_main]

use destination_aws_datalake::testing::objects;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;

fuzz_target!(|input: &[u8]| {
    // A pipe holds no more; compressed input is another matter.
    if input.len() > 32 << 10 || input.starts_with(&[0x1F]) || input.starts_with(&[0x28]) {
        return;
    }
    let whole = objects(input, usize::MAX);
    for piece in [1, 7] {
        let pieces = objects(input, piece);
        match (&whole, &pieces) {
            (Ok(whole), Ok(pieces)) => {
                let objects = |found: &[(bool, Vec<u8>)]| -> Vec<Vec<u8>> {
                    found
                        .iter()
                        .filter(|text| text.0)
                        .map(|text| text.1.clone())
                        .collect()
                };
                // Where a text that is cut off ends is said when it shows, which may be earlier in pieces.
                if whole.iter().all(|text| text.0) {
                    assert_eq!(objects(whole), objects(pieces), "pieces of {piece}");
                }
            }
            (Err(_), Err(_)) => {}
            _ => assert!(whole.is_err() || !whole.as_ref().unwrap().iter().all(|text| text.0)),
        }
    }
    let expected: Result<Vec<&RawValue>, _> = serde_json::Deserializer::from_slice(input)
        .into_iter()
        .collect();
    if let Ok(expected) = expected
        && expected.iter().all(|value| value.get().starts_with('{'))
    {
        let whole = whole.expect("a sequence of objects");
        let found: Vec<&[u8]> = whole.iter().map(|text| text.1.trim_ascii()).collect();
        let expected: Vec<&[u8]> = expected
            .iter()
            .map(|value| value.get().as_bytes())
            .collect();
        assert_eq!(found, expected);
        assert!(whole.iter().all(|text| text.0));
    }
});
