//! How the crate is built.
//!
//! # The states of a connection
//!
//! ```text
//! stateDiagram-v2
//!     Closed --> SynSent: connect
//!     Closed --> Established: handshake done by a half-open block
//!     SynSent --> Established: SYN-ACK
//!     SynSent --> SynReceived: SYN
//!     SynReceived --> Established: ACK
//!     Established --> FinWait1: finish
//!     Established --> CloseWait: FIN
//!     FinWait1 --> FinWait2: ACK of FIN
//!     FinWait1 --> Closing: FIN
//!     FinWait2 --> TimeWait: FIN
//!     CloseWait --> LastAck: finish
//!     Closing --> TimeWait: ACK of FIN
//!     LastAck --> Closed: ACK of FIN
//! ```
