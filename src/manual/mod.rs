//! The manual: documentation as modules, so that it is checked like code.

pub mod architecture;
