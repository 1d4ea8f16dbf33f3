//! The same policy as a Terraform data source.
//! <https://registry.terraform.io/providers/hashicorp/aws/latest/docs/data-sources/iam_policy_document>

use std::fmt::Write;

use crate::command::policy::statement::Statement;
use crate::text;

pub(super) fn document(statements: &[Statement]) -> String {
    let mut text = String::from("data \"aws_iam_policy_document\" \"datalake\" {\n");
    for (index, statement) in statements.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&block(statement));
    }
    text.push_str("}\n");
    text
}

fn block(statement: &Statement) -> String {
    let mut text = String::new();
    let mut line = |line: String| writeln!(text, "{line}").expect("a String takes everything");
    line("  statement {".to_owned());
    line(format!("    sid       = {}", quoted(statement.id)));
    line(format!("    actions   = {}", list(&statement.actions, 4)));
    line(format!("    resources = {}", list(&statement.resources, 4)));
    if let Some(condition) = &statement.condition {
        line("    condition {".to_owned());
        line(format!("      test     = {}", quoted(condition.operator)));
        line(format!("      variable = {}", quoted(condition.key)));
        line(format!("      values   = {}", list(&condition.values, 6)));
        line("    }".to_owned());
    }
    line("  }".to_owned());
    text
}

/// A list that begins on a line indented so far.
fn list(items: &[impl AsRef<str>], indent: usize) -> String {
    if let [one] = items {
        return format!("[{}]", quoted(one.as_ref()));
    }
    let lines: Vec<String> = items
        .iter()
        .map(|item| format!("{:indent$}  {},\n", "", quoted(item.as_ref())))
        .collect();
    format!("[\n{}{:indent$}]", lines.concat(), "")
}

/// A string of HCL. IAM's variables are `&{…}` there, because `${…}` is Terraform's own; `%{` begins a directive.
/// <https://developer.hashicorp.com/terraform/language/expressions/strings>
fn quoted(text: &str) -> String {
    let text = text.replace("${", "&{").replace("%{", "%%{");
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '\\' | '"' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ if text::is_command(character) => {
                write!(quoted, "\\U{:08X}", u32::from(character))
                    .expect("a String takes everything");
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_text_leaves_its_string() {
        for (text, expected) in [
            ("a\"b\\c", r#""a\"b\\c""#),
            ("a\nb\r\t", r#""a\nb\r\t""#),
            ("a\u{1b}[2J\u{2028}", r#""a\U0000001B[2J\U00002028""#),
            ("${aws:username}%{if}", r#""&{aws:username}%%{if}""#),
            ("$${x}\\${y}", r#""$&{x}\\&{y}""#),
            ("é", "\"é\""),
        ] {
            assert_eq!(super::quoted(text), expected);
        }
    }
}
