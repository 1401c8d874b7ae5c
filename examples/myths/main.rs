fn main() {}
mod experiments;
