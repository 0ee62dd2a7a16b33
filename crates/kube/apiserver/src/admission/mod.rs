//! The ordered plugins that change and check objects before they are stored. (AUTH)
