//! The main loop, with the feedback that it gives.

use std::cell::{Cell, RefCell};
use std::io::{PipeWriter, Write};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::environment::Environment;
use crate::feedback::ReportFiles;
use crate::file::Codec;
use crate::input::Stdout;
use crate::lake::dir;
use crate::out::Audience;
use crate::sink::{Acknowledge, SinkOptions};
use crate::table::layout::Run;
use crate::time::Clock;

thread_local! {
    static LOGGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps what this thread logs.
struct Keeper;

impl log::Log for Keeper {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}", record.level(), record.args());
        LOGGED.with_borrow_mut(|lines| lines.push(line));
    }

    fn flush(&self) {}
}

const MINUTE: Duration = Duration::from_secs(60);

/// A source that drops its lines. Once no more arrive, it puts the clock forward to shortly before the next full
/// minute, waits for that minute, and ends the input after `minutes` of them.
struct Silent {
    input: Option<PipeWriter>,
    clock: Clock,
    ahead: Rc<Cell<Duration>>,
    wake: Option<Instant>,
    minutes: u32,
}

impl Source for Silent {
    fn take(&mut self, _: &[u8], _: &mut Sink<'_>) -> Result<()> {
        Ok(())
    }

    fn deadline(&self, _: &Sink<'_>) -> Option<Instant> {
        self.wake
    }

    fn tick(&mut self, _: &mut Sink<'_>) -> Result<()> {
        if self.wake.take().is_some() {
            let shortly = MINUTE.saturating_sub(Duration::from_millis(50));
            self.ahead.set(self.ahead.get() + shortly);
            return Ok(());
        }
        self.minutes -= 1;
        if self.minutes == 0 {
            self.input = None;
        }
        self.wake = Some(self.clock.instant());
        Ok(())
    }
}

/// No state is acknowledged here.
struct Nobody;

impl Acknowledge for Nobody {
    fn acknowledge(&mut self, _: &[u8]) -> Result<()> {
        unreachable!("no state came")
    }
}

#[test]
fn progress_is_logged_every_minute_whether_or_not_lines_arrive() {
    // Another test may have set it already: a process has one logger.
    let _ = log::set_logger(&Keeper);
    log::set_max_level(log::LevelFilter::Info);
    let folder = tempfile::tempdir().unwrap();
    let lake = dir::open(folder.path()).unwrap();
    let ahead = Rc::new(Cell::new(Duration::ZERO));
    let clock = Clock::Ahead(Rc::clone(&ahead));
    let run = Run::begin(clock.now()).unwrap();
    let mut sink = Sink::open(
        &lake,
        Vec::new(),
        SinkOptions::for_tests(Codec::Gzip, MINUTE),
        run,
        clock.clone(),
        Box::new(Nobody),
    )
    .unwrap();
    let mut feedback = Feedback::begin(
        Audience::Platform,
        ReportFiles::default(),
        &Environment::from_pairs([]),
        clock.clone(),
    )
    .unwrap();
    let (reader, mut writer) = std::io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    let mut lines =
        Lines::files(vec![path.into()], 1 << 20, Stdout::Unused, clock.clone()).unwrap();
    drop(LOGGED.take());
    // One minute passes while lines arrive, and two more while none does.
    writer.write_all(&b"{}\n".repeat(3000)).unwrap();
    ahead.set(MINUTE);
    let mut source = Silent {
        input: Some(writer),
        wake: Some(clock.instant()),
        clock,
        ahead,
        minutes: 2,
    };
    assert!(read(&mut lines, &mut source, &mut sink, &mut feedback).is_ok());
    let logged = LOGGED.take();
    let logged: Vec<&str> = logged
        .iter()
        .map(|line| line.split(" speed=").next().unwrap())
        .collect();
    let progress = "INFO progress: records=0 bytes_in=9000 bytes_out=0";
    assert_eq!(logged, [progress; 3]);
}
