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
    for note in notes {
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
}

/// The place of the lines that are left out.
struct More(usize);

impl Display for More {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "and {} more columns or fields like these", self.0)
    }
}
