//! What tintype's workers take longest for: the pixels of a PNG. Slices in, slices out; no file, no thread, no unsafe code
//! of its own. Whatever it is not sure of it declines, and the wheels take it.
#![forbid(unsafe_code)]

pub mod png;
mod python;
mod rows;
