//! Custom resources: definitions become rows, rows validate, prune and default objects. (PATCH)
