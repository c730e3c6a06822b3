// What somebody writes who has nothing of ours but the .proto file: a client of a directory, loaded at
// run time, and announcements signed as the comments of that file say.
import {
  credentials,
  loadPackageDefinition,
  type Client,
  type ClientReadableStream,
  type GrpcObject,
  type ServiceClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync, type MessageTypeDefinition } from "@grpc/proto-loader";
import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { TestGroup, TestPeer } from "./pki.js";

const PROTO = fileURLToPath(
  new URL("../../proto/schakel/directory/v1/directory.proto", import.meta.url),
);
const DEADLINE_MS = 15_000;

const definition = loadSync(PROTO, { keepCase: true, longs: String, enums: String });
const at = (object: GrpcObject, name: string): GrpcObject => object[name] as GrpcObject;
const DirectoryService = at(
  at(at(loadPackageDefinition(definition), "schakel"), "directory"),
  "v1",
)["DirectoryService"] as ServiceClientConstructor;

const Announcement = definition["schakel.directory.v1.Announcement"] as MessageTypeDefinition<
  object,
  object
>;

/** A message as the .proto file names its fields. */
export type Message = Record<string, unknown>;

type Method = (
  request: Message,
  options: { readonly deadline: number },
  answered: (error: ServiceError | null, answer: Message) => void,
) => void;

/** A client of one directory, for one peer. Whoever makes it closes it. */
export class Stranger {
  readonly #client: Client & Record<string, unknown>;
  readonly #peer: TestPeer;

  /** @param port of a directory on this machine that is called `host` in its certificate */
  constructor(group: TestGroup, peer: TestPeer, host: string, port: number) {
    this.#peer = peer;
    const secure = credentials.createSsl(
      Buffer.from(group.content.trust_anchors.join("\n")),
      readFileSync(peer.files.key),
      readFileSync(peer.files.cert),
    );
    this.#client = new DirectoryService(`127.0.0.1:${String(port)}`, secure, {
      "grpc.ssl_target_name_override": host,
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  /** Calls a method by its name in the .proto file; the error of the call as a rejection. */
  call(method: string, request: Message): Promise<Message> {
    const work = this.#client[method] as Method;
    return new Promise((resolve, reject) => {
      const options = { deadline: Date.now() + DEADLINE_MS };
      work.call(this.#client, request, options, (error, answer) => {
        if (error === null) resolve(answer);
        else reject(error);
      });
    });
  }

  /** Opens a catalogue stream. Whoever opens it cancels it. */
  watch(request: Message): ClientReadableStream<Message> {
    const work = this.#client["WatchCatalogue"] as (
      request: Message,
    ) => ClientReadableStream<Message>;
    return work.call(this.#client, request);
  }

  /** The SignedAnnouncement of an Announcement, by this peer's key. */
  sign(announcement: Message): Message & { readonly announcement: Buffer } {
    const { files } = this.#peer;
    const bytes = Announcement.serialize(announcement);
    const signed = Buffer.concat([Buffer.from("schakel/announcement/v1\0"), bytes]);
    const chain =
      readFileSync(files.cert, "utf8").match(/-----BEGIN[^]*?-----END[^-]*-----/g) ?? [];
    return {
      announcement: bytes,
      signature: sign("sha256", signed, createPrivateKey(readFileSync(files.key))),
      certificate_chain: chain.map((pem) => new X509Certificate(pem).raw),
    };
  }

  close(): void {
    this.#client.close();
  }
}
