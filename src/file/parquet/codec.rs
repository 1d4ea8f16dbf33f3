//! The compression of pages.
//! <https://parquet.apache.org/docs/file-format/data-pages/compression/>

use crate::file::gzip::Gzip;
use crate::file::zstd::{self, Content};

/// The codec of all pages of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageCodec {
    Plain,
    Snappy,
    Gzip,
    Zstd,
}

impl PageCodec {
    /// Its number in the metadata.
    pub(super) fn number(self) -> i32 {
        match self {
            Self::Plain => 0,
            Self::Snappy => 1,
            Self::Gzip => 2,
            Self::Zstd => 6,
        }
    }

    /// Appends the page.
    pub(super) fn compress(self, page: &[u8], content: Content, out: &mut Vec<u8>) {
        match self {
            Self::Plain => out.extend_from_slice(page),
            Self::Snappy => snappy(page, out),
            Self::Gzip => {
                let mut gzip = Gzip::default();
                gzip.write(page, out);
                gzip.end(out);
            }
            Self::Zstd => zstd::write_page(page, content, out),
        }
    }
}

thread_local! {
    /// One for all files: its table takes 32 KiB.
    static SNAPPY: std::cell::RefCell<snap::raw::Encoder> = std::cell::RefCell::new(snap::raw::Encoder::new());
}

fn snappy(page: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + snap::raw::max_compress_len(page.len()), 0);
    let compressed = SNAPPY.with_borrow_mut(|encoder| encoder.compress(page, &mut out[start..]));
    out.truncate(start + compressed.expect("a page is shorter than 4 GiB, and there is room"));
}
