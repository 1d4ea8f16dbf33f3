//! A lake in a folder: hostile folders, and power failures.

mod disk; // what a disk may hold after a power failure
mod hostile;
mod power;
