//! Figures that people know.
