//! docs/coverage-registry.md, printed from the route table and from the options beside it.
