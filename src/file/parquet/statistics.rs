//! Statistics of column chunks: nulls, and bounds by which readers skip row groups.
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift> (`Statistics`, `ColumnOrder`)

use super::thrift::Thrift;

/// Texts are compared and kept up to this length: longer bounds would cost more than they help.
const LONGEST: usize = 64;

/// The least and the greatest of some values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Bounds {
    #[default]
    None,
    /// Of integers, dates, timestamps and booleans.
    Integer(i64, i64),
    Double(f64, f64),
    Decimal(i128, i128),
    Text(Text, Text),
}

/// The beginning of a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text {
    start: Vec<u8>,
    is_cut: bool,
}

impl Text {
    fn of(text: &[u8]) -> Self {
        Self {
            start: beginning(text).to_vec(),
            is_cut: text.len() > LONGEST,
        }
    }

    /// The longest beginning that is of whole characters.
    fn characters(&self) -> &str {
        let whole = std::str::from_utf8(&self.start);
        whole.unwrap_or_else(|error| {
            let whole = &self.start[..error.valid_up_to()];
            std::str::from_utf8(whole).unwrap_or_default()
        })
    }

    /// A text that is not less than any that begins so.
    fn upper(&self) -> Option<Vec<u8>> {
        if !self.is_cut {
            return Some(self.start.clone());
        }
        let mut text = self.characters().to_owned();
        while let Some(last) = text.pop() {
            let next = match last {
                '\u{D7FF}' => Some('\u{E000}'), // surrogates are no characters
                last => char::from_u32(u32::from(last) + 1),
            };
            if let Some(next) = next {
                text.push(next);
                return Some(text.into_bytes());
            }
        }
        None
    }
}

#[inline]
fn beginning(text: &[u8]) -> &[u8] {
    text.get(..LONGEST).unwrap_or(text)
}

/// What is said of a column's values.
#[derive(Clone, Debug, Default)]
pub(super) struct Summary {
    pub(super) nulls: u64,
    pub(super) bounds: Bounds,
}

impl Summary {
    #[inline]
    pub(super) fn integer(&mut self, value: i64) {
        match &mut self.bounds {
            Bounds::Integer(least, greatest) => {
                *least = value.min(*least);
                *greatest = value.max(*greatest);
            }
            bounds => *bounds = Bounds::Integer(value, value),
        }
    }

    #[inline]
    pub(super) fn double(&mut self, value: f64) {
        match &mut self.bounds {
            Bounds::Double(least, greatest) => {
                *least = value.min(*least);
                *greatest = value.max(*greatest);
            }
            bounds => *bounds = Bounds::Double(value, value),
        }
    }

    #[inline]
    pub(super) fn decimal(&mut self, value: i128) {
        match &mut self.bounds {
            Bounds::Decimal(least, greatest) => {
                *least = value.min(*least);
                *greatest = value.max(*greatest);
            }
            bounds => *bounds = Bounds::Decimal(value, value),
        }
    }

    #[inline]
    pub(super) fn text(&mut self, value: &[u8]) {
        if let Bounds::Text(least, greatest) = &self.bounds {
            let start = beginning(value);
            // One that is as long as bounds are may be the least value beside a longer one that was cut to it.
            let is_greater = *start > *least.start || (*start == *least.start && !least.is_cut);
            let is_inside = is_greater && *start < *greatest.start;
            if is_inside {
                return;
            }
        }
        self.new_text(value);
    }

    #[inline(never)]
    fn new_text(&mut self, value: &[u8]) {
        let text = Text::of(value);
        match &mut self.bounds {
            Bounds::Text(least, greatest) => {
                if text < *least {
                    *least = text;
                } else if text > *greatest {
                    *greatest = text;
                }
            }
            bounds => *bounds = Bounds::Text(text.clone(), text),
        }
    }

    /// Adds what is said of further values.
    pub(super) fn merge(&mut self, other: Self) {
        self.nulls += other.nulls;
        match other.bounds {
            Bounds::None => {}
            Bounds::Integer(least, greatest) => {
                self.integer(least);
                self.integer(greatest);
            }
            Bounds::Double(least, greatest) => {
                self.double(least);
                self.double(greatest);
            }
            Bounds::Decimal(least, greatest) => {
                self.decimal(least);
                self.decimal(greatest);
            }
            Bounds::Text(least, greatest) => match &mut self.bounds {
                Bounds::Text(own_least, own_greatest) => {
                    if least < *own_least {
                        *own_least = least;
                    }
                    if greatest > *own_greatest {
                        *own_greatest = greatest;
                    }
                }
                bounds => *bounds = Bounds::Text(least, greatest),
            },
        }
    }

    /// Writes the fields of `Statistics`; values of the column that have one length have this one.
    pub(super) fn write(&self, size: usize, thrift: &mut Thrift) {
        thrift.i64(3, self.nulls.cast_signed());
        let (greatest, least, is_exact) = match &self.bounds {
            Bounds::None => return,
            Bounds::Integer(least, greatest) => (
                Some(greatest.to_le_bytes()[..size].to_vec()),
                least.to_le_bytes()[..size].to_vec(),
                (true, true),
            ),
            Bounds::Double(least, greatest) => (
                Some(floating(*greatest, 0.0, size)),
                floating(*least, -0.0, size),
                (true, true),
            ),
            Bounds::Decimal(least, greatest) => (
                Some(greatest.to_be_bytes()[16 - size..].to_vec()),
                least.to_be_bytes()[16 - size..].to_vec(),
                (true, true),
            ),
            Bounds::Text(least, greatest) => (
                greatest.upper(),
                least.characters().as_bytes().to_vec(),
                (!greatest.is_cut, !least.is_cut),
            ),
        };
        if let Some(greatest) = &greatest {
            thrift.binary(5, greatest);
        }
        thrift.binary(6, &least);
        if greatest.is_some() {
            thrift.boolean(7, is_exact.0);
        }
        thrift.boolean(8, is_exact.1);
    }
}

/// A bound of doubles or floats. Zeros are equal to the comparison, and the sign is chosen so that both are within.
fn floating(bound: f64, zero: f64, size: usize) -> Vec<u8> {
    let bound = if bound == 0.0 { zero } else { bound };
    if size == 8 {
        bound.to_le_bytes().to_vec()
    } else {
        #[allow(clippy::cast_possible_truncation)] // it was a float
        (bound as f32).to_le_bytes().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_texts(texts: &[&str]) -> (Text, Text) {
        let mut summary = Summary::default();
        for text in texts {
            summary.text(text.as_bytes());
        }
        match summary.bounds {
            Bounds::Text(least, greatest) => (least, greatest),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bounds_of_long_texts_are_cut_so_that_they_still_hold() {
        for end in ["z", "é", "\u{D7FF}", "\u{10FFFF}", "€", "\u{7F}"] {
            for length in [1, 15, 16, 20, 21, 31, 32, 62, 63, 64, 65, 70, 300] {
                let texts = [
                    end.repeat(length),
                    format!("a{}", end.repeat(length)),
                    format!("{}b", end.repeat(length)),
                ];
                let (least, greatest) =
                    of_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>());
                let least = least.characters().as_bytes().to_vec();
                let upper = greatest.upper();
                for text in &texts {
                    assert!(least <= text.as_bytes().to_vec(), "{text}");
                    if let Some(upper) = &upper {
                        assert!(*upper >= text.as_bytes().to_vec(), "{text}");
                        assert!(std::str::from_utf8(upper).is_ok());
                    } else {
                        assert_eq!(end, "\u{10FFFF}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_text_of_the_longest_length_is_exact() {
        let text = "x".repeat(LONGEST);
        let (least, greatest) = of_texts(&[&text]);
        assert!(!least.is_cut && !greatest.is_cut);
        let (_, greatest) = of_texts(&[&text, &format!("{text}y")]);
        assert!(greatest.is_cut);
        assert!(greatest.upper().unwrap() > format!("{text}yy").into_bytes());
    }

    #[test]
    fn a_text_of_the_longest_length_is_exact_after_a_longer_one_too() {
        let text = "x".repeat(LONGEST);
        let (least, _) = of_texts(&[&format!("{text}y"), "z", &text]);
        assert!(!least.is_cut);
    }

    #[test]
    fn both_zeros_are_within_the_bounds() {
        assert_eq!(floating(0.0, -0.0, 8), (-0.0_f64).to_le_bytes());
        assert_eq!(floating(-0.0, 0.0, 8), 0.0_f64.to_le_bytes());
        assert_eq!(floating(-0.0, 0.0, 4), 0.0_f32.to_le_bytes());
        assert_eq!(floating(1.5, 0.0, 8), 1.5_f64.to_le_bytes());
    }
}
