// The push service of npm's `web-push-testing`, on this machine's own address only.
"use strict";

const Server = require("web-push-testing/src/server.js");
const { PushApiModel } = require("web-push-testing/src/PushApiModel.js");

const port = Number(process.argv[2]);
const server = new Server(new PushApiModel(), port);
const listen = server._app.listen.bind(server._app);
server._app.listen = (at, ready) => listen(at, "127.0.0.1", ready);
server.startServer();
