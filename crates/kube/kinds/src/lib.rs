//! What is special about each kind: defaults that upstream sets in code, validation, and what a strategy prepares. Pure: trees in, trees and field errors out.
#![forbid(unsafe_code)]
