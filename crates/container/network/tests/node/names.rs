//! Names: the name server of containers, and their files.
