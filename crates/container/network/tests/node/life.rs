//! Networks and sandboxes over their life.
