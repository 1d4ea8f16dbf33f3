//! Short names of keys for the journal.

/// Names that differ from run to run, replaced by numbers in order of appearance.
#[derive(Default)]
pub(super) struct Names {
    generations: Vec<String>,
    objects: Vec<String>,
}

impl Names {
    /// `users/G1/o2` for `lake/test/users/20261122T…/…a7f.jsonl.gz`; generations that the platform numbered keep their
    /// number. A run's record of its checkpoint is `record`, the mark of a generation `mark of users`.
    pub(super) fn short(&mut self, key: &str) -> String {
        if let Some((_, control)) = key.split_once("/_datalake/") {
            return match control.split('/').nth(2) {
                Some(table) => format!("mark of {table}"),
                None => "record".to_owned(),
            };
        }
        let mut parts: Vec<_> = key.split('/').skip(2).map(str::to_owned).collect();
        if parts.len() < 2 {
            return key.to_owned();
        }
        parts[1] = number("G", &mut self.generations, &parts[..2].join("/"));
        if let Some(last) = parts.last_mut().filter(|last| !last.is_empty()) {
            *last = number("o", &mut self.objects, key);
        }
        parts.join("/").trim_end_matches('/').to_owned()
    }
}

fn number(mark: &str, seen: &mut Vec<String>, name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or_default();
    let numbered = last.split('-').next().unwrap_or_default();
    let is_numbered = numbered
        .strip_prefix('g')
        .is_some_and(|rest| rest.parse::<u64>().is_ok());
    if is_numbered && mark == "G" {
        return numbered.to_owned();
    }
    let at = seen.iter().position(|one| one == name).unwrap_or_else(|| {
        seen.push(name.to_owned());
        seen.len() - 1
    });
    format!("{mark}{}", at + 1)
}
