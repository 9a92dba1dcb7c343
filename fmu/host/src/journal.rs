//! Log lines of one foreign instance, bounded. The FMU may call back from any thread.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

const LINES_MAX: usize = 64;
const BYTES_MAX: usize = 500;

/// The latest lines.
#[derive(Debug, Default)]
pub struct Journal {
    lines: Mutex<VecDeque<String>>,
}

impl Journal {
    /// Adds a line, cut to 500 bytes.
    pub fn add(&self, line: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        let end = (0..=BYTES_MAX.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
        lines.push_back(line.get(..end).unwrap_or("").trim_end().to_owned());
    }

    /// Takes all lines.
    pub fn take(&self) -> Vec<String> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.drain(..).collect()
    }
}
