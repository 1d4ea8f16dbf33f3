//! Services that take so many requests in a second each, and refuse further ones.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::wire::{Answer, Request};
use super::{Fake, refusal, unpoisoned};

/// For each service a bucket of as many tokens as a second brings.
pub(super) struct Throttle {
    limit: Option<f64>,
    services: Mutex<BTreeMap<&'static str, Service>>,
}

struct Service {
    tokens: f64,
    filled: Instant,
    /// When requests came, and whether they were taken.
    came: Vec<(Instant, bool)>,
}

impl Throttle {
    /// Without a limit every request is taken.
    pub(super) fn new(limit: Option<f64>) -> Self {
        Self {
            limit,
            services: Mutex::default(),
        }
    }

    /// The refusal of a request, unless it is taken.
    pub(super) fn refusal(&self, request: &Request) -> Option<Answer> {
        let (service, status, code) = match request.header("x-amz-target") {
            "" => ("S3", 503, "SlowDown"),
            _ => ("Glue", 400, "ThrottlingException"),
        };
        let refused = !self.takes(service);
        refused.then(|| refusal(request, status, code, "as AWS says"))
    }

    /// Whether the request to the service that comes now is taken.
    fn takes(&self, service: &'static str) -> bool {
        let Some(limit) = self.limit else {
            return true;
        };
        let now = Instant::now();
        let mut services = unpoisoned(&self.services);
        let service = services.entry(service).or_insert(Service {
            tokens: limit,
            filled: now,
            came: Vec::new(),
        });
        let more = now.duration_since(service.filled).as_secs_f64() * limit;
        service.tokens = limit.min(service.tokens + more);
        service.filled = now;
        let takes = service.tokens >= 1.0;
        if takes {
            service.tokens -= 1.0;
        }
        service.came.push((now, takes));
        takes
    }

    /// How many requests came after so long a time from the first busy moment of their service on, and how many of those
    /// were refused. A service is busy once it has refused one.
    fn after(&self, span: Duration) -> (usize, usize) {
        let (mut late, mut refused) = (0, 0);
        for service in unpoisoned(&self.services).values() {
            let busy = service.came.iter().find(|(_, taken)| !taken);
            let Some((busy, _)) = busy else { continue };
            for (time, taken) in &service.came {
                if *time >= *busy + span {
                    late += 1;
                    refused += usize::from(!taken);
                }
            }
        }
        (late, refused)
    }
}

impl Fake {
    /// How many requests came after so long a time from the first one on that was throttled, service by service, and how
    /// many of those were throttled.
    #[allow(dead_code)] // not of every test program
    pub(crate) fn throttled_after(&self, span: Duration) -> (usize, usize) {
        self.shared.throttle.after(span)
    }
}
