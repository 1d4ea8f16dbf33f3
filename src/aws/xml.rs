//! The XML of S3 and STS as a small tree, and the escaping of text.

use std::fmt::Write;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;

/// An XML element: its name without a prefix, its own text, its children.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

/// The deepest nesting that is accepted; AWS nests elements six deep.
const DEPTH: usize = 16;

/// The most elements that are accepted: an element takes 20 times the bytes of the `<a/>` that makes it. A page of 1,000
/// entries has some ten thousand.
const MOST_ELEMENTS: usize = 50_000;

impl Element {
    /// Parses a document into its root element; nothing where it is not well-formed to its end.
    pub(crate) fn parse(document: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(document).ok()?);
        let mut open = vec![Self::default()];
        let mut elements = 0;
        loop {
            if elements > MOST_ELEMENTS {
                return None;
            }
            match reader.read_event().ok()? {
                Event::Start(tag) => {
                    if open.len() > DEPTH {
                        return None;
                    }
                    elements += 1;
                    open.push(Self::named(tag.local_name().as_ref()));
                }
                Event::Empty(tag) => {
                    elements += 1;
                    let child = Self::named(tag.local_name().as_ref());
                    open.last_mut()?.children.push(child);
                }
                Event::End(_) => {
                    let child = open.pop()?;
                    open.last_mut()?.children.push(child);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::CData(text) => open.last_mut()?.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let text = &mut open.last_mut()?.text;
                    match reference.resolve_char_ref().ok()? {
                        Some(character) => text.push(character),
                        None => text.push_str(resolve_xml_entity(&reference)?),
                    }
                }
                Event::Eof => break,
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        let [document] = <[Self; 1]>::try_from(open).ok()?;
        let [root] = <[Self; 1]>::try_from(document.children).ok()?;
        Some(root)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(crate) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Removes and returns the child.
    pub(crate) fn take(&mut self, name: &str) -> Option<Self> {
        let at = self.children.iter().position(|child| child.name == name)?;
        Some(self.children.swap_remove(at))
    }

    /// The child's text; empty where there is no such child.
    pub(crate) fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", Self::text)
    }

    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

/// Escapes the text of an element: markup and control characters become references, because a parser would turn a bare
/// carriage return into a line feed.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            _ if character.is_control() => {
                let _ = write!(escaped, "&#x{:X};", u32::from(character));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_text_and_references() {
        let root = Element::parse(
            b"<?xml version=\"1.0\"?>\n\n<a xmlns=\"x\"><b>1 &lt; &#50;&amp;</b><b/><c>d<![CDATA[<e>]]></c></a>\n",
        )
        .unwrap();
        assert_eq!(root.name(), "a");
        let texts: Vec<&str> = root.children("b").map(Element::text).collect();
        assert_eq!(texts, ["1 < 2&", ""]);
        assert_eq!(root.text_of("c"), "d<e>");
        assert_eq!(root.text_of("absent"), "");
    }

    #[test]
    fn truncated_or_malformed_xml_is_nothing() {
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        for document in [
            "",
            "   ",
            "<a>",
            "<a><b></a>",
            "<a/><b/>",
            "a",
            "<a>&unknown;</a>",
            "<html><br></html>",
            &deep,
            &format!("<a>{}</a>", "<b/>".repeat(MOST_ELEMENTS + 1)),
        ] {
            assert!(Element::parse(document.as_bytes()).is_none(), "{document}");
        }
        assert!(Element::parse(b"<a>\xff</a>").is_none());
    }

    #[test]
    fn escaped_text_reads_back_unchanged() {
        let text = "a<b>&\"'\r\n\u{1}ü";
        let document = format!("<a>{}</a>", escape(text));
        assert_eq!(document, "<a>a&lt;b&gt;&amp;&quot;'&#xD;&#xA;&#x1;ü</a>");
        let text = "a<b>&\"'\r\nü";
        let root = Element::parse(format!("<a>{}</a>", escape(text)).as_bytes()).unwrap();
        assert_eq!(root.text(), text);
    }
}
