//! The layers that every request passes, in upstream's order. (WRITE)
