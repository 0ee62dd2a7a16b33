//! Paths below an object that are more than the object: binding, eviction, scale, finalize, approval. (WRITE)
