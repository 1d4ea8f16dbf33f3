//! Parts of uploads that are on their way while the caller goes on.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use crate::error::Result;
use crate::http::{Client, Spawned};
use crate::lake::{Part, Upload};

/// The parts that are on their way, in the order in which they were handed over.
///
/// An upload has its parts in this order: those of `Upload::parts`, and then those on their way.
pub(super) struct PartsInFlight {
    /// Bytes that they may take; one part is on its way in any case.
    most: usize,
    parts: RefCell<VecDeque<Flying>>,
}

struct Flying {
    /// The id of its upload.
    upload: String,
    bytes: usize,
    sending: Spawned<Result<Part>>,
}

impl PartsInFlight {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            parts: RefCell::default(),
        }
    }

    /// Bytes of the parts on their way.
    pub(super) fn bytes(&self) -> usize {
        let parts = self.parts.borrow();
        let flying = parts.iter().filter(|part| !part.sending.has_ended());
        flying.map(|part| part.bytes).sum()
    }

    /// The number that the next part of the upload has.
    pub(super) fn next_number(&self, upload: &Upload) -> usize {
        let parts = self.parts.borrow();
        let flying = parts.iter().filter(|part| part.upload == upload.id);
        upload.parts.len() + flying.count() + 1
    }

    /// Waits until another part of so many bytes may be on its way.
    pub(super) fn wait_for_room(&self, bytes: usize, client: &Client) {
        wait_until(client, || match self.bytes() {
            0 => true,
            flying => flying + bytes <= self.most,
        });
    }

    /// Waits until no part is on its way.
    pub(super) fn wait_for_all(&self, client: &Client) {
        wait_until(client, || self.bytes() == 0);
    }

    pub(super) fn add(&self, upload: &Upload, bytes: usize, sending: Spawned<Result<Part>>) {
        self.parts.borrow_mut().push_back(Flying {
            upload: upload.id.clone(),
            bytes,
            sending,
        });
    }

    /// Gives the upload its parts that have arrived, up to the first that has not. Fails where one was refused.
    pub(super) fn collect(&self, upload: &mut Upload) -> Result<()> {
        let mut parts = self.parts.borrow_mut();
        while let Some(place) = parts.iter().position(|part| part.upload == upload.id) {
            let Some(outcome) = parts[place].sending.outcome() else {
                return Ok(());
            };
            parts.remove(place);
            upload.parts.push(outcome?);
        }
        Ok(())
    }

    /// Waits for all parts of the upload, and gives it those. Fails where one was refused.
    pub(super) fn settle(&self, upload: &mut Upload, client: &Client) -> Result<()> {
        wait_until(client, || {
            let parts = self.parts.borrow();
            let mut flying = parts.iter().filter(|part| part.upload == upload.id);
            flying.all(|part| part.sending.has_ended())
        });
        self.collect(upload)
    }

    /// Stops the parts of the upload that are on their way, and forgets those that arrived.
    pub(super) fn stop(&self, upload: &Upload) {
        let mut parts = self.parts.borrow_mut();
        parts.retain(|part| part.upload != upload.id);
    }
}

fn wait_until(client: &Client, is_reached: impl Fn() -> bool) {
    client.wait(poll_fn(|_| {
        if is_reached() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
}
