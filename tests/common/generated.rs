//! Pages of the manual that a test writes: compared with what stands there, and written anew on request.

use std::path::Path;

/// Fails if the page at `path` (from the root of the crate) is not `text`; with `LONGHAUL_BLESS` set it is made so
/// first.
#[track_caller]
pub(crate) fn compare(path: &str, text: &str) {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("LONGHAUL_BLESS").is_some() {
        std::fs::write(&full, text).unwrap_or_else(|error| panic!("writing {path}: {error}"));
    }
    let known = std::fs::read_to_string(&full).unwrap_or_default();
    let differs = known.lines().zip(text.lines()).find(|(known, text)| known != text);
    assert!(known == text, "{path} is stale; LONGHAUL_BLESS=1 writes it anew. First difference: {differs:?}");
}
