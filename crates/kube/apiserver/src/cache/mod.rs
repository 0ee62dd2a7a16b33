//! The watch cache: one pump over the store, every resource's objects, events shared by all watchers. (READ)
