//! The log lines of what becomes of columns.

use std::fmt::{self, Display};

use crate::schema::Note;

/// How many notes of one occasion are logged one by one: a schema may have thousands of columns.
const MOST: usize = 20;

/// Logs notes as `line` words them: what the user should act on as warnings, and of all others the first ones.
pub(crate) fn log<'a>(
    notes: impl IntoIterator<Item = &'a Note>,
    line: &dyn Fn(&dyn Display) -> String,
) {
    let mut count = 0_usize;
    let mut gone = Vec::new();
    for note in notes {
        if let Note::Gone { path } = note {
            gone.push(path.as_str());
            continue;
        }
        if matches!(note, Note::Limited { .. } | Note::Keys { .. }) {
            log::warn!("{}", line(note));
            continue;
        }
        count += 1;
        if count <= MOST {
            log::info!("{}", line(note));
        }
    }
    if count > MOST {
        log::info!("{}", line(&More(count - MOST)));
    }
    match gone[..] {
        [] => {}
        [path] => log::info!(
            "{}",
            line(&Note::Gone {
                path: path.to_owned()
            })
        ),
        _ => log::info!("{}", line(&AllGone(&gone))),
    }
}

/// The columns and fields that the stream no longer has, in one line.
struct AllGone<'a>(&'a [&'a str]);

impl Display for AllGone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, more) = self.0.split_at(self.0.len().min(MOST));
        f.write_str(&first.join(", "))?;
        if !more.is_empty() {
            write!(f, " and {} more", more.len())?;
        }
        f.write_str(" are no longer in the stream; the columns stay")
    }
}

/// The place of the lines that are left out.
struct More(usize);

impl Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "and {} more columns or fields like these", self.0)
    }
}
