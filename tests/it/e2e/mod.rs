//! The real program, driven as a script would, over clusters of real processes. What counts is what
//! the cluster shows afterwards, not what the program says.

mod cluster_checks;

mod rig;

mod scenarios;
