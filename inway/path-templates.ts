// The paths that the OpenAPI descriptions of an inway's services have: fetched from their sources at the start, when a
// service changes, and hourly. An exchange never waits for them and is never refused for them.
import { createHash } from "node:crypto";
import { Counter, Gauge, type Registry } from "prom-client";
import type { ComponentState, OfferedService } from "../component/component-state.js";
import type { Log } from "../core/log.js";
import type { ServiceName } from "../core/names.js";
import { repeat, type Backoff } from "../core/retry.js";
import { fetchDescription, FETCH_TIMEOUT_MS } from "./fetch-description.js";
import { PathMatcher } from "./path-matcher.js";
import { readInThread } from "./read-description.js";
import { hasDotSegment, pathOfSource } from "./source.js";
import { Turns } from "./turns.js";

const REFRESH_MS = 3_600_000;
const BACKOFF: Backoff = { firstMs: 10_000, maxMs: REFRESH_MS };
/** Sources that are asked at once. */
const FETCHES_MAX = 4;

/** Where the service's description is; the templates of another place are not this service's. */
const placeOf = ({ source, openapiPath }: OfferedService): string | undefined =>
  openapiPath === undefined ? undefined : `${source.href} ${openapiPath}`;

/** A service whose description is looked after. */
interface Described {
  readonly place: string;
  readonly stop: AbortController;
  /** Of the bytes that the matcher was made of. */
  hash: string | undefined;
  matcher: PathMatcher | undefined;
}

/** What they are kept with. */
export interface PathTemplatesParts {
  readonly registry: Registry;
  readonly log: Log;
  readonly refreshMs?: number;
  readonly fetchTimeoutMs?: number;
  readonly backoff?: Backoff;
}

/** Looks after the descriptions of one inway's services until it is stopped. */
export class PathTemplates {
  readonly #services = new Map<ServiceName, Described>();
  readonly #fetches = new Turns(FETCHES_MAX);
  /** One at a time: a large one takes a lot of memory. */
  readonly #readings = new Turns(1);
  readonly #loads: Counter<"result">;
  /** What runs, for the services of now and those whose end is under way. */
  readonly #running = new Set<Promise<void>>();

  constructor(private readonly parts: PathTemplatesParts) {
    const registers = [parts.registry];
    this.#loads = new Counter({
      name: "schakel_openapi_loads_total",
      help: "OpenAPI descriptions that were asked of sources, by whether they could be used",
      labelNames: ["result"],
      registers,
    });
    const known = (): number =>
      [...this.#services.values()].filter(({ matcher }) => matcher !== undefined).length;
    new Gauge({
      name: "schakel_openapi_services",
      help: "Services whose path templates are known",
      registers,
      collect() {
        this.set(known());
      },
    });
  }

  /** Looks after the services of a state from now on, and no longer after others. */
  follow({ services }: ComponentState): void {
    for (const [name, described] of this.#services) {
      const service = services.get(name);
      if (service === undefined || placeOf(service) !== described.place) this.#forget(name);
    }
    for (const service of services.values()) {
      const place = placeOf(service);
      if (place !== undefined && !this.#services.has(service.name)) this.#begin(service, place);
    }
  }

  /**
   * The template of a path, as it stands in the service's description; undefined when none is known.
   *
   * @param target path and query as the source gets them
   */
  of(service: OfferedService, target: string): string | undefined {
    const described = this.#services.get(service.name);
    const matcher = described?.matcher;
    if (matcher === undefined || described?.place !== placeOf(service)) return undefined;
    const query = target.indexOf("?");
    const path = query < 0 ? target : target.slice(0, query);
    // A source that takes such a segment away looks at another path than the template's.
    return hasDotSegment(path) ? undefined : matcher.match(path);
  }

  /** Resolves when nothing is asked any more. */
  async stop(): Promise<void> {
    for (const name of this.#services.keys()) this.#forget(name);
    await Promise.all(this.#running);
  }

  #begin(service: OfferedService, place: string): void {
    const stop = new AbortController();
    const described: Described = { place, stop, hash: undefined, matcher: undefined };
    this.#services.set(service.name, described);
    const { log, refreshMs = REFRESH_MS, backoff = BACKOFF } = this.parts;
    const work = repeat(stop.signal, {
      turn: async () => {
        await this.#load(service, described);
        return refreshMs;
      },
      failed: (error, failures, waitMs) => {
        this.#loads.inc({ result: "failed" });
        log.warn(
          { service: service.name, reason: reasonOf(error), failures, waitMs },
          "the service's OpenAPI description cannot be had; its path templates stay as they are",
        );
      },
      backoff,
    });
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  #forget(name: ServiceName): void {
    this.#services.get(name)?.stop.abort();
    this.#services.delete(name);
  }

  async #load(service: OfferedService, described: Described): Promise<void> {
    const { signal } = described.stop;
    const { log, fetchTimeoutMs = FETCH_TIMEOUT_MS } = this.parts;
    const own = pathOfSource(service);
    const location = `${own}${service.openapiPath ?? ""}`;
    const bytes = await this.#fetches.take(() => {
      signal.throwIfAborted();
      return fetchDescription(service, location, signal, fetchTimeoutMs);
    });
    const hash = createHash("sha256").update(bytes).digest("base64");
    if (hash !== described.hash) {
      const found = await this.#readings.take(() => readInThread({ bytes, location }, signal));
      described.matcher = new PathMatcher(found, own);
      described.hash = hash;
      const { skipped } = described.matcher;
      log.info(
        { service: service.name, paths: found.templates.length - skipped, skipped },
        "the service's path templates are in use",
      );
    }
    this.#loads.inc({ result: "loaded" });
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
