//! A model of a disk that keeps only what was synced for certain: of the rest, anything may be there after a power failure.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use serde_json::Value;

/// A change of the lake, or a sync, as the tracer noted it. Paths are relative to the lake.
#[derive(Debug)]
pub(super) enum Change {
    Create(PathBuf),
    /// The file holds this now.
    Data(PathBuf, Vec<u8>),
    Folder(PathBuf),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
    Sync(PathBuf),
    /// Words on stdout.
    Words(String),
}

/// What may be on the disk: files with what they hold, and folders.
pub(super) type Image = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// A file or a folder: what a power failure leaves of it, and what programs see.
#[derive(Clone, Default)]
struct Node {
    is_folder: bool,
    durable: Content,
    now: Content,
}

#[derive(Clone, Default)]
struct Content {
    data: Vec<u8>,
    entries: BTreeMap<OsString, usize>,
}

/// The disk. The lake's own folder is node 0, and durable.
pub(super) struct Disk(Vec<Node>);

impl Change {
    /// Reads a line of the tracer's notes.
    pub(super) fn read(line: &str, lake: &Path) -> Self {
        let note: Value = serde_json::from_str(line).unwrap();
        let path = |name: &str| {
            let path = Path::new(note[name].as_str().unwrap());
            let inside = path.strip_prefix(lake);
            inside
                .unwrap_or_else(|_| panic!("{line} is outside of the lake"))
                .to_owned()
        };
        match note["call"].as_str().unwrap() {
            "create" => Self::Create(path("path")),
            "data" => Self::Data(path("path"), unhex(note["data"].as_str().unwrap())),
            "mkdir" => Self::Folder(path("path")),
            "rmdir" | "unlink" => Self::Remove(path("path")),
            "rename" => Self::Rename(path("path"), path("to")),
            "sync" => Self::Sync(path("path")),
            "out" => Self::Words(note["text"].as_str().unwrap().to_owned()),
            other => panic!("the tracer notes {other}"),
        }
    }

    /// The words on stdout, where it is such.
    pub(super) fn words(&self) -> &str {
        match self {
            Self::Words(words) => words,
            _ => "",
        }
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}

impl Disk {
    pub(super) fn new() -> Self {
        Self(vec![Node {
            is_folder: true,
            ..Node::default()
        }])
    }

    /// The node of a path, as programs see it.
    fn find(&self, path: &Path) -> usize {
        path.iter().fold(0, |at, name| self.0[at].now.entries[name])
    }

    fn above(&mut self, path: &Path) -> &mut BTreeMap<OsString, usize> {
        let above = self.find(path.parent().unwrap());
        &mut self.0[above].now.entries
    }

    fn make(&mut self, path: &Path, is_folder: bool) {
        let node = self.0.len();
        self.0.push(Node {
            is_folder,
            ..Node::default()
        });
        self.above(path)
            .insert(path.file_name().unwrap().to_owned(), node);
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Create(path) => self.make(path, false),
            Change::Folder(path) => self.make(path, true),
            Change::Data(path, data) => {
                let node = self.find(path);
                self.0[node].now.data.clone_from(data);
            }
            Change::Remove(path) => {
                self.above(path).remove(path.file_name().unwrap()).unwrap();
            }
            Change::Rename(from, to) => {
                let node = self.above(from).remove(from.file_name().unwrap()).unwrap();
                self.above(to)
                    .insert(to.file_name().unwrap().to_owned(), node);
            }
            Change::Sync(path) => {
                let node = self.find(path);
                self.0[node].durable = self.0[node].now.clone();
            }
            Change::Words(_) => {}
        }
    }

    /// What may be on the disk if the power fails now, and how that comes.
    pub(super) fn images(&self, random: &mut Rng) -> Vec<(&'static str, Image)> {
        let mut images = vec![
            ("with all changes", self.image(&mut |_| true)),
            ("without what was not synced", self.image(&mut |_| false)),
            (
                "with entries before data",
                self.image(&mut |what| what == What::Entry),
            ),
            (
                "with data before entries",
                self.image(&mut |what| what == What::Data),
            ),
        ];
        images.push(("with some changes", self.image(&mut |_| random.bool())));
        images
    }

    /// The disk with those of the pending changes that `keeps` says.
    fn image(&self, keeps: &mut dyn FnMut(What) -> bool) -> Image {
        let entries: Vec<_> = self.0.iter().map(|node| chosen(node, keeps)).collect();
        let mut image = Image::new();
        let mut left = vec![(PathBuf::new(), 0)];
        let mut found = vec![false; self.0.len()];
        while let Some((path, at)) = left.pop() {
            found[at] = true;
            for (name, node) in &entries[at] {
                left.push((path.join(name), *node));
            }
            if at > 0 {
                let node = &self.0[at];
                let data = if keeps(What::Data) {
                    &node.now.data
                } else {
                    &node.durable.data
                };
                let content = (!node.is_folder).then(|| data.clone());
                image.insert(path, content);
            }
        }
        // A file that is renamed is under its old name or under its new one, never under none.
        let mut lost = Vec::new();
        for (above, node) in self.0.iter().enumerate().filter(|(above, _)| found[*above]) {
            let gone = node
                .durable
                .entries
                .iter()
                .filter(|(name, _)| !entries[above].contains_key(*name));
            lost.extend(
                gone.map(|(_, node)| *node)
                    .filter(|node| !found[*node] && self.is_named(*node)),
            );
        }
        if lost.is_empty() {
            image
        } else {
            self.image(&mut |_| true)
        }
    }

    /// Whether programs see the node under some name.
    fn is_named(&self, node: usize) -> bool {
        self.0
            .iter()
            .any(|folder| folder.now.entries.values().any(|named| *named == node))
    }
}

/// What is pending: an entry of a folder, or the data of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Entry,
    Data,
}

/// The entries of the folder, of which some that are pending are kept.
fn chosen(node: &Node, keeps: &mut dyn FnMut(What) -> bool) -> BTreeMap<OsString, usize> {
    let (durable, now) = (&node.durable.entries, &node.now.entries);
    let mut entries = durable.clone();
    let names: std::collections::BTreeSet<_> = durable.keys().chain(now.keys()).collect();
    for name in names {
        if durable.get(name) != now.get(name) && keeps(What::Entry) {
            match now.get(name) {
                Some(node) => entries.insert(name.clone(), *node),
                None => entries.remove(name),
            };
        }
    }
    entries
}
