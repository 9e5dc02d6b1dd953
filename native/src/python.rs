//! The module that Python imports. Nothing here runs while pixels are made but plain Rust, and others have the interpreter.

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::png::{self, Shape};

/// Return the pixels of a PNG of 8 bits a channel, as many as the caller says; None where the file is not that.
///
/// Behind the pixels are bytes without meaning, one for each row.
#[pyfunction]
#[pyo3(signature = (file, width, height, bands))]
fn png_pixels<'py>(
    py: Python<'py>,
    file: &[u8],
    width: usize,
    height: usize,
    bands: usize,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let shape = Shape { width, height, bands };
    let size = shape
        .filtered_bytes()
        .ok_or_else(|| PyMemoryError::new_err("more pixels than memory has addresses"))?;
    let mut done = None;
    let made = PyBytes::new_with(py, size, |out| {
        done = py.detach(|| png::pixels(file, shape, out));
        Ok(())
    })?;
    Ok(done.map(|()| made))
}

#[pymodule]
fn tintype_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    // What the processor must have for this build, by the names of x86-64's extensions.
    module.add(
        "NEEDS",
        if cfg!(target_feature = "avx2") {
            vec!["AVX2", "FMA3"]
        } else {
            vec![]
        },
    )?;
    module.add_function(wrap_pyfunction!(png_pixels, module)?)
}
