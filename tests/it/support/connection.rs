//! How does one exchange use its connection, right or wrong? Each version of HTTP has its own way of each fault.

/// The start of a response.
pub(super) struct Head<'a> {
    /// The status code and its reason.
    pub(super) status: &'a str,
    pub(super) headers: &'a [(&'a str, &'a str)],
}

/// The connection of one exchange, as far as the exchange may use it. Dropping it before its end is a `cut`.
pub(super) trait Connection: Send {
    fn respond(self: Box<Self>, head: &Head, body: &[u8]);

    /// Responds and closes the connection; an announced end is one that HTTP has a sign for.
    fn respond_and_close(self: Box<Self>, head: &Head, body: &[u8], is_announced: bool);

    /// Announces a body that is longer than what is sent of it.
    fn truncate(self: Box<Self>, head: &Head, body: &[u8]);

    /// Starts a body that is sent in pieces.
    fn start(&self, head: &Head);

    fn send(&self, bytes: &[u8]);

    /// Ends the body correctly.
    fn end(self: Box<Self>);

    /// Breaks off this exchange: HTTP/1.1 closes the connection, HTTP/2 resets the stream.
    fn cut(self: Box<Self>);

    /// Resets the TCP connection.
    fn reset(self: Box<Self>);

    /// Sends bytes that are not of this protocol.
    fn garble(self: Box<Self>);

    /// Waits until the other side has broken off this exchange.
    fn closed_by_client(&self) -> bool;

    /// Sends these bytes in place of an HTTP/1.1 response and closes the connection.
    fn raw(self: Box<Self>, _: &[u8]) {
        panic!("only HTTP/1.1 has raw responses");
    }

    /// The connection answers this exchange and no later one, and does not announce that.
    fn lose_next_request(&mut self) {
        panic!("only a connection of HTTP/1.1 can lose its next request");
    }

    /// Tells the client that this request was not carried out, and that it may send the request again.
    fn refuse(self: Box<Self>) {
        panic!("only a stream of HTTP/2 can be refused");
    }

    /// Tells the client to send no further request on this connection.
    fn go_away(&self) {
        panic!("only a connection of HTTP/2 can go away");
    }
}
