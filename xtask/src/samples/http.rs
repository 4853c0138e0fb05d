//! A client for `--check`: HTTP/1.1 over one kept connection, as little of it as the checks need.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// A connection that is used for one request after another.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// An answer, whole.
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(port: u16) -> Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("could not connect")?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Connection { stream: BufReader::new(stream) })
    }

    pub(crate) fn get(&mut self, target: &str) -> Result<Response> {
        self.send(&format!("GET {target} HTTP/1.1\r\nhost: check\r\n\r\n"), b"")?;
        self.read_response().with_context(|| format!("no answer to GET {target}"))
    }

    /// Sends a head as given and a body after it; answers are read apart, so requests can be pipelined.
    pub(crate) fn send(&mut self, head: &str, body: &[u8]) -> Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        Ok(())
    }

    pub(crate) fn read_response(&mut self) -> Result<Response> {
        let mut response = self.read_head()?;
        response.body = self.read_body(&response)?;
        Ok(response)
    }

    pub(crate) fn read_head(&mut self) -> Result<Response> {
        let first = self.read_line()?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.with_context(|| format!("not a status line: {first:?}"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            match line.split_once(": ") {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.to_owned())),
                None if line.is_empty() => return Ok(Response { status, headers, body: Vec::new() }),
                None => bail!("not a header: {line:?}"),
            }
        }
    }

    pub(crate) fn read_bytes(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn read_body(&mut self, response: &Response) -> Result<Vec<u8>> {
        if response.header("transfer-encoding") == Some("chunked") {
            return self.read_chunks();
        }
        match response.header("content-length") {
            Some(length) => self.read_bytes(length.parse()?),
            None => Ok(Vec::new()),
        }
    }

    pub(crate) fn read_chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.read_line()?, 16).context("not a chunk's length")?;
            body.extend(self.read_bytes(length)?);
            let end = self.read_line()?;
            match (end.is_empty(), length) {
                (false, _) => bail!("no line end after a chunk: {end:?}"),
                (true, 0) => return Ok(body),
                (true, _) => {}
            }
        }
    }

    fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("the connection was closed");
        }
        Ok(line.trim_end_matches("\r\n").to_owned())
    }
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {:?}", self.text()))
    }
}
