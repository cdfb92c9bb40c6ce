/** Joins the one state to the hub: the stream, the overview when rows are missing, the screen's own sign of life. */

import { ref } from "vue";
import { api, ApiError } from "../api/client";
import { LiveStream } from "../api/live";
import { loseSession, may, session } from "./session";
import { applyBeat, applyChange, applySnapshot, applyUnreceipted, forgetSite, noteHeard, state } from "./site";
import { soundReport } from "./sound";

const reportEveryMs = 10_000;
/** Duty, edges and places change without a row of their own; read them again now and then. */
const overviewEveryMs = 60_000;
/** Who may not follow the live stream reads the overview so often. */
const readEveryMs = 10_000;

export const reconnecting = ref(false);

export function connect(site: string, station: string): () => void {
  forgetSite();
  const followed = may("live.follow");
  let reading = false;
  let left = false;
  const readOverview = async () => {
    if (reading) return;
    reading = true;
    try {
      const overview = await api.overview(site);
      // Another site may be on the screen by now.
      if (left) return;
      if (!followed) noteHeard();
      // The stream may have gone on meanwhile; an older picture must not replace a newer one.
      if (overview.seq >= state.seq) applySnapshot(overview);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) loseSession();
    } finally {
      reading = false;
    }
  };
  const hear = () => {
    reconnecting.value = false;
    noteHeard();
  };
  const report = () => void api.reportScreen(site, station, soundReport.value).catch(() => undefined);
  const checkSession = () =>
    api.session().catch((error: unknown) => {
      if (error instanceof ApiError && error.status === 401) loseSession();
    });

  if (!followed) {
    state.followed = false;
    void readOverview();
    const asking = setInterval(() => void readOverview(), readEveryMs);
    return () => {
      left = true;
      clearInterval(asking);
    };
  }

  const stream = new LiveStream(`/api/v1/sites/${encodeURIComponent(site)}/live`, {
    snapshot: (data) => {
      hear();
      applySnapshot(data);
    },
    change: (data) => {
      hear();
      const missed = applyChange(data);
      if (missed || data.subject.startsWith("edge:") || data.alarm?.kind.startsWith("edge.")) void readOverview();
    },
    beat: (data) => {
      hear();
      applyBeat(data);
      if (data.seq > state.seq + 1) void readOverview();
    },
    unreceipted: (items) => {
      hear();
      applyUnreceipted(items);
    },
    broken: (opened) => {
      reconnecting.value = true;
      // A stream that never spoke may have been refused: only a request can say why.
      if (!opened && session.value) void checkSession();
    },
  });
  const reporting = may("screen.report") ? setInterval(report, reportEveryMs) : undefined;
  if (reporting !== undefined) report();
  const refreshing = setInterval(() => void readOverview(), overviewEveryMs);
  return () => {
    left = true;
    stream.close();
    clearInterval(reporting);
    clearInterval(refreshing);
  };
}
