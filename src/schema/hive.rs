//! The catalog's type strings: `Display` writes them, [`parse`] reads what any tool may have put there.
//! The grammar is Hive's: <https://docs.aws.amazon.com/athena/latest/ug/data-types.html>.

use std::collections::HashSet;
use std::fmt;

use crate::schema::{DEEPEST_TYPE, Field, Padding, Type, Width};

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Integer(Width::Eight) => f.write_str("tinyint"),
            Self::Integer(Width::Sixteen) => f.write_str("smallint"),
            Self::Integer(Width::ThirtyTwo) => f.write_str("int"),
            Self::Integer(Width::SixtyFour) => f.write_str("bigint"),
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::String | Self::Json => f.write_str("string"),
            Self::Bounded { length, padding } => match padding {
                Padding::None => write!(f, "varchar({length})"),
                Padding::Spaces => write!(f, "char({length})"),
            },
            Self::Array(element) => write!(f, "array<{element}>"),
            Self::Map(element) => write!(f, "map<string,{element}>"),
            Self::Struct(fields) => {
                f.write_str("struct<")?;
                for (index, field) in fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{}", field.name, field.data_type)?;
                }
                f.write_str(">")
            }
            Self::Foreign(text) => f.write_str(text),
        }
    }
}

/// Reads a type string; spaces, upper case and synonyms are fine, and what we cannot write becomes `Foreign`.
///
/// Names of struct fields keep their spelling, because the keys in the rows must be spelled the same.
pub(crate) fn parse(text: &str) -> Type {
    let mut parser = Parser { text, at: 0 };
    match brackets_match(text).then(|| parser.any()).flatten() {
        Some(data_type) if parser.at == text.len() => data_type,
        _ => Type::Foreign(text.trim().to_string()),
    }
}

/// Whether every bracket is closed and they nest no deeper than recursion may go.
fn brackets_match(text: &str) -> bool {
    let mut open = Vec::new();
    for byte in text.bytes() {
        match byte {
            b'<' => open.push(b'>'),
            b'(' => open.push(b')'),
            b'>' | b')' if open.pop() != Some(byte) => return false,
            _ => {}
        }
        if open.len() > DEEPEST_TYPE {
            return false;
        }
    }
    open.is_empty()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    /// One type with the spaces around it; `None` where there is nothing.
    fn any(&mut self) -> Option<Type> {
        self.spaces();
        let start = self.at;
        let known = self.known();
        self.spaces();
        if let Some(data_type) = known
            && self.at_end()
        {
            return Some(data_type);
        }
        self.at = start;
        self.skip();
        let text = self.text[start..self.at].trim();
        (!text.is_empty()).then(|| Type::Foreign(text.to_string()))
    }

    fn known(&mut self) -> Option<Type> {
        let data_type = match self.word().to_ascii_lowercase().as_str() {
            "boolean" => Type::Boolean,
            "tinyint" => Type::Integer(Width::Eight),
            "smallint" => Type::Integer(Width::Sixteen),
            "int" | "integer" => Type::Integer(Width::ThirtyTwo),
            "bigint" => Type::Integer(Width::SixtyFour),
            "float" => Type::Float,
            "double" => Type::Double,
            "decimal" => return self.decimal(),
            "date" => Type::Date,
            "timestamp" => Type::Timestamp,
            "string" => Type::String,
            "array" => {
                self.expect('<')?;
                let element = self.any()?;
                self.expect('>')?;
                Type::Array(Box::new(element))
            }
            "struct" => return self.fields(),
            "varchar" => return self.bounded(Padding::None, u16::MAX),
            "char" => return self.bounded(Padding::Spaces, 255),
            "map" => {
                self.expect('<')?;
                let key = self.any()?;
                self.expect(',')?;
                let element = self.any()?;
                self.expect('>')?;
                // Keys of other types cannot be keys of JSON objects.
                (key == Type::String).then_some(())?;
                Type::Map(Box::new(element))
            }
            _ => return None,
        };
        Some(data_type)
    }

    /// What follows `decimal`: nothing (Hive's default is ten digits and no fraction), `(p)` or `(p,s)`.
    fn decimal(&mut self) -> Option<Type> {
        let (mut precision, mut scale) = (10, 0);
        if self.expect('(').is_some() {
            precision = self.number()?;
            if self.expect(',').is_some() {
                scale = self.number()?;
            }
            self.expect(')')?;
        }
        let valid = (1..=38).contains(&precision) && scale <= precision;
        valid.then_some(Type::Decimal { precision, scale })
    }

    /// What follows `varchar` and `char`: the most characters.
    fn bounded(&mut self, padding: Padding, most: u16) -> Option<Type> {
        self.expect('(')?;
        self.spaces();
        let length = self.word().parse().ok()?;
        self.expect(')')?;
        let valid = (1..=most).contains(&length);
        valid.then_some(Type::Bounded { length, padding })
    }

    /// What follows `struct`: at least one field, and no two that differ in case only, since engines cannot tell them apart.
    fn fields(&mut self) -> Option<Type> {
        self.expect('<')?;
        let mut fields: Vec<Field> = Vec::new();
        let mut seen = HashSet::new();
        loop {
            let name = self.field_name()?;
            if !seen.insert(name.to_ascii_lowercase()) {
                return None;
            }
            self.expect(':')?;
            let data_type = self.any()?;
            fields.push(Field {
                key: name.clone(),
                name,
                data_type,
            });
            if self.expect(',').is_none() {
                self.expect('>')?;
                return Some(Type::Struct(fields));
            }
        }
    }

    fn field_name(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| "<>(),:`\"\\".contains(c) || c.is_control())?;
        self.at += length;
        let name = rest[..length].trim();
        (!name.is_empty()).then(|| name.to_string())
    }

    fn word(&mut self) -> &str {
        let rest = &self.text[self.at..];
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn number(&mut self) -> Option<u8> {
        self.spaces();
        self.word().parse().ok()
    }

    /// Takes the character after any spaces, or nothing at all.
    fn expect(&mut self, wanted: char) -> Option<()> {
        let rest = self.text[self.at..].trim_start();
        let rest = rest.strip_prefix(wanted)?;
        self.at = self.text.len() - rest.len();
        Some(())
    }

    fn spaces(&mut self) {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
    }

    /// Whether what follows ends a type: the end of the text, or what closes or parts types.
    fn at_end(&self) -> bool {
        matches!(
            self.text[self.at..].chars().next(),
            None | Some(',' | '>' | ')')
        )
    }

    /// Skips to the end of an unknown type, over everything in its brackets.
    fn skip(&mut self) {
        let mut open = 0_usize;
        for (index, byte) in self.text[self.at..].bytes().enumerate() {
            match byte {
                b'<' | b'(' => open += 1,
                b',' | b'>' | b')' if open == 0 => {
                    self.at += index;
                    return;
                }
                b'>' | b')' => open -= 1,
                _ => {}
            }
        }
        self.at = self.text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, canonical: &str) {
        let data_type = parse(text);
        assert_eq!(data_type.to_string(), canonical, "{text:?}");
        assert_eq!(parse(canonical), data_type, "{text:?}");
    }

    #[test]
    fn reads_what_other_tools_write() {
        check(" BigInt ", "bigint");
        check("VARCHAR( 3 )", "varchar(3)");
        check("char(255)", "char(255)");
        check("map< String, array<int> >", "map<string,array<int>>");
        check("integer", "int");
        check("decimal(38, 25)", "decimal(38,25)");
        check("decimal", "decimal(10,0)");
        check("decimal ( 5 )", "decimal(5,0)");
        check(
            "struct< A : bigint, b:array< Struct<c:string> > >",
            "struct<A:bigint,b:array<struct<c:string>>>",
        );
        check(
            "struct<first name:string,a.b:date>",
            "struct<first name:string,a.b:date>",
        );
        check(
            "struct<a:map<string,struct<b:int>>,c:double>",
            "struct<a:map<string,struct<b:int>>,c:double>",
        );
    }

    #[test]
    fn what_cannot_be_written_is_foreign() {
        for text in [
            "",
            "binary",
            "varchar(0)",
            "varchar(65536)",
            "char(256)",
            "char",
            "map<int,string>",
            "map<string>",
            "struct<>",
            "struct<a>",
            "struct<a:int,A:int>",
            "struct<a:int",
            "array<>",
            "array<int>>",
            "decimal(39,0)",
            "decimal(5,6)",
            "double precision",
            "uniontype<int,string>",
            "timestamp with time zone",
        ] {
            assert_eq!(parse(text), Type::Foreign(text.to_string()));
        }
        assert_eq!(
            parse("array<binary>"),
            Type::Array(Box::new(Type::Foreign("binary".to_string())))
        );
    }

    #[test]
    fn a_depth_bomb_is_foreign() {
        for text in ["array<".repeat(20_000), "struct<a:".repeat(14_000)] {
            assert!(matches!(parse(&text), Type::Foreign(_)));
        }
        let deep = format!("{}int{}", "array<".repeat(300), ">".repeat(300));
        assert!(matches!(parse(&deep), Type::Foreign(_)));
        let fine = format!("{}int{}", "array<".repeat(200), ">".repeat(200));
        assert_eq!(parse(&fine).to_string(), fine);
    }
}
