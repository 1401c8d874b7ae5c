//! Known attacks, each as the stack must meet it. Names say the row of the catalogue that they show (A01 to A48);
//! everything happens in virtual time.
#![cfg(feature = "alloc")]

extern crate alloc;

#[path = "attacks/blind.rs"]
mod blind;
#[path = "attacks/endurance.rs"]
mod endurance;
#[path = "attacks/exhaustion.rs"]
mod exhaustion;
#[path = "attacks/malformed.rs"]
mod malformed;
#[path = "attacks/prediction.rs"]
mod prediction;
#[path = "attacks/rules.rs"]
mod rules;
#[path = "attacks/spoofed.rs"]
mod spoofed;
#[path = "attacks/table.rs"]
mod table;

mod hostile;
