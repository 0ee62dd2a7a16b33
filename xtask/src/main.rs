//! Project tasks.
mod codegen;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    codegen::run(std::env::args().any(|argument| argument == "--check"))
}
