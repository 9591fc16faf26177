//! The WebSocket dialogues, as the SDK holds them.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use whipstitch_minicluster::peer::{Player, Publisher};
use whipstitch_minicluster::{Cluster, Config, Node, Server};

use crate::client::{SOON, get, send};

pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    pub(crate) async fn open(node: &Node, query: &str) -> Result<Self, Error> {
        let mut request = format!("ws://{}/live/?{query}", node.address())
            .into_client_request()
            .unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "json, other".parse().unwrap());
        let stream = TcpStream::connect(node.address()).await?;
        let (socket, answer) = client_async(request, stream).await?;
        assert_eq!(answer.headers()["sec-websocket-protocol"], "json");
        let mut socket = Self(socket);
        let connected =
            json!({"data": {"type": "status", "code": "NetConnection.Connect.Success"}});
        assert_eq!(socket.receive().await, connected);
        Ok(socket)
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next text frame.
    async fn receive(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(SOON, self.0.next())
                .await
                .expect("a frame in time");
            if let Message::Text(text) = message.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// The SDP of the next frame; the candidate follows it.
    async fn receive_sdp(&mut self, kind: &str) -> String {
        let frame = self.receive().await;
        assert_eq!(frame["data"]["sdp"]["type"], kind, "{frame}");
        let candidate = self.receive().await;
        assert!(
            candidate["data"]["candidate"]["candidate"]
                .as_str()
                .unwrap()
                .starts_with("candidate:"),
            "{candidate}"
        );
        frame["data"]["sdp"]["sdp"].as_str().unwrap().to_owned()
    }

    async fn trickle(&mut self, stream: &str, candidate: &str) {
        self.send(json!({"handleCandidate": stream, "data": {"candidate": {"candidate": candidate, "sdpMid": "0", "sdpMLineIndex": 0}}}))
            .await;
        self.send(json!({"handleCandidate": stream, "data": {"candidate": {"type": "candidate", "candidate": ""}}})).await;
        assert_eq!(
            self.receive().await["data"]["code"],
            "NetConnection.ICE.TrickleCompleted"
        );
    }

    async fn receive_channel(&mut self) {
        let available = json!({"type": "status", "code": "NetConnection.DataChannel.Available", "description": "red5pro"});
        assert_eq!(self.receive().await["data"], available);
    }

    /// Whether the connection ends without a Close frame.
    pub(crate) async fn is_cut_off(&mut self) -> bool {
        match tokio::time::timeout(SOON, self.0.next()).await {
            Ok(None | Some(Err(_))) => true,
            Ok(Some(Ok(_))) | Err(_) => false,
        }
    }

    async fn switch(mut self) {
        self.send(json!({"switchChannel": "red5pro"})).await;
        self.0.close(None).await.unwrap();
        while let Some(Ok(_)) = self.0.next().await {}
    }
}

async fn publish(node: &Node, stream: &str) -> (Socket, Publisher) {
    let mut socket = Socket::open(node, &format!("id={stream}&token=a%2Fb=c"))
        .await
        .unwrap();
    socket
        .send(json!({"isAvailable": stream, "bundle": true}))
        .await;
    assert_eq!(socket.receive().await, json!({"isAvailable": false}));
    let publisher = Publisher::with_data_channel().await.unwrap();
    let offer = publisher.offer().await.unwrap();
    socket.send(json!({"handleOffer": stream, "transport": "udp", "data": {"sdp": {"type": "offer", "sdp": offer}}})).await;
    publisher
        .answer(&socket.receive_sdp("answer").await)
        .await
        .unwrap();
    socket.trickle(stream, publisher.candidate()).await;
    socket
        .send(json!({"publish": stream, "mode": "live", "keyFramerate": 3000}))
        .await;
    assert_eq!(
        socket.receive().await,
        json!({"data": {"type": "status", "message": format!("{stream} starting")}})
    );
    socket.receive_channel().await;
    (socket, publisher)
}

#[tokio::test]
async fn both_dialogues_from_first_frame_to_switch() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let (socket, publisher) = publish(&cluster.nodes()[0], "s").await;
    socket.switch().await;
    let request = &cluster.seen().requests_to(Server::Node(0))[0];
    assert_eq!(request.target, "/live/?id=s&token=a%2Fb=c");

    let mut socket = Socket::open(&cluster.nodes()[1], "id=subscriber-1b31")
        .await
        .unwrap();
    socket.send(json!({"isAvailable": "s"})).await;
    assert_eq!(socket.receive().await, json!({"isAvailable": true}));
    let player = Player::new().await.unwrap();
    let request = json!({"requestOffer": "s", "requestId": "subscriber-1b31", "transport": "udp", "datachannel": true, "doNotSwitch": false});
    socket.send(request).await;
    let answer = player
        .accept(&socket.receive_sdp("offer").await)
        .await
        .unwrap();
    let data = json!({"sdp": {"type": "answer", "sdp": answer}});
    socket
        .send(json!({"handleAnswer": "s", "requestId": "subscriber-1b31", "data": data}))
        .await;
    socket.trickle("s", player.candidate()).await;
    socket
        .send(json!({"subscribe": "s", "requestId": "subscriber-1b31"}))
        .await;
    assert_eq!(socket.receive().await["data"]["message"], "s starting");
    socket.receive_channel().await;
    socket.switch().await;

    // Both live on without their WebSockets, and end over the data channel.
    let counted = player
        .wait_for_frames(player.counts().video.max(player.counts().audio) + 10, SOON)
        .await
        .unwrap();
    assert_eq!(counted.channel.as_deref(), Some("red5pro"));
    publisher.send_text(r#"{"unpublish":"s"}"#).await.unwrap();
    player.wait_ended(SOON).await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test]
async fn losing_the_socket_before_the_switch_ends_the_stream() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let (socket, publisher) = publish(&cluster.nodes()[0], "s").await;
    let mut second = Socket::open(&cluster.nodes()[1], "id=s").await.unwrap();
    second.send(json!({"isAvailable": "s"})).await;
    assert_eq!(second.receive().await, json!({"isAvailable": true}));
    let offer = Publisher::new().await.unwrap().offer().await.unwrap();
    second
        .send(json!({"handleOffer": "s", "data": {"sdp": {"type": "offer", "sdp": offer}}}))
        .await;
    assert_eq!(second.receive().await["data"]["type"], "error");
    drop(socket);
    publisher.wait_ended(SOON).await.unwrap();
    let lookup = format!(
        "{}/streammanager/api/4.0/event/live/s?action=subscribe",
        cluster.manager_url()
    );
    assert_eq!(get(&lookup).await.status, 404);
    cluster.shutdown().await;
}

#[tokio::test]
async fn the_rules_of_the_connection() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let node = &cluster.nodes()[0];
    let (mut socket, _publisher) = publish(node, "s").await;
    socket.send(json!({"unpublish": "s"})).await;
    assert_eq!(socket.receive().await["data"]["message"], "s stopping");
    // Not JSON, not known: ignored.
    socket.0.send(Message::text("{")).await.unwrap();
    socket.send(json!({"mute": {"muteAudio": true}})).await;
    socket.send(json!({"isAvailable": "s"})).await;
    assert_eq!(socket.receive().await, json!({"isAvailable": false}));
    socket
        .0
        .send(Message::text("x".repeat(10_001)))
        .await
        .unwrap();
    let Some(Ok(Message::Close(Some(close)))) = socket.0.next().await else {
        panic!("no close")
    };
    assert_eq!(u16::from(close.code), 1009);

    let plain = send(
        "GET",
        &format!("http://{}/live/?id=x", node.address()),
        "",
        "",
    )
    .await
    .unwrap();
    assert_eq!(plain.status, 404);
    let request = format!("ws://{}/elsewhere/?id=x", node.address());
    let refused = client_async(request, TcpStream::connect(node.address()).await.unwrap()).await;
    assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 404));
    cluster.shutdown().await;
}

/// The pings come each five seconds; to see one takes as long.
#[tokio::test]
async fn pings_come() {
    let cluster = Cluster::start(Config::default()).await.unwrap();
    let mut socket = Socket::open(&cluster.nodes()[0], "id=s").await.unwrap();
    let message = tokio::time::timeout(SOON, socket.0.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(message, Message::Ping("PING!".into()));
    cluster.shutdown().await;
}
