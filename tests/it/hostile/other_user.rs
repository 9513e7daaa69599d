//! Another user of the same machine: files, folders, ports, process lists.
