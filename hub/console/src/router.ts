/**
 * The pages. The hash carries the path, so that any server may hand out the console. What must come up while the hub
 * is in trouble is in the first bundle; the pages of the desk come when they are opened.
 */

import { ref } from "vue";
import { createRouter, createWebHashHistory } from "vue-router";
import AlarmPage from "./screens/AlarmPage.vue";
import Incidents from "./screens/Incidents.vue";
import LogIn from "./screens/LogIn.vue";
import Wall from "./screens/Wall.vue";

/** Pages before anyone is logged in stand without bars. */
export const gates = ["/login", "/setup"];
/** Gates with a key of their own in the address: nobody need be logged in, and whoever is stays so. */
export const isKeyed = (path: string) => /^\/(invitation|phone)\//.test(path);

/** A QR code says `/phone#CODE`; here the page's own address is `/#/phone/CODE`. Null: it is another address. */
export const phonePage = (path: string, hash: string) =>
  path === "/phone" && /^#[\w-]+$/.test(hash) ? `/#/phone/${hash.slice(1)}` : null;
const arrived = phonePage(location.pathname, location.hash);
if (arrived !== null) history.replaceState(null, "", arrived);

export const router = createRouter({
  history: createWebHashHistory(),
  routes: [
    { path: "/", component: Wall },
    { path: "/alarms", component: () => import("./screens/AlarmHistory.vue") },
    { path: "/alarms/:alarm(\\d+)", component: AlarmPage },
    { path: "/hazards", component: () => import("./desk/hazards/Hazards.vue") },
    { path: "/devices", component: () => import("./screens/Devices.vue") },
    { path: "/incidents/:incident(\\d+)?", component: Incidents },
    { path: "/journal", component: () => import("./desk/journal/Journal.vue") },
    { path: "/county", component: () => import("./desk/county/County.vue") },
    { path: "/places", component: () => import("./desk/places/Places.vue") },
    { path: "/floorplans", component: () => import("./desk/floorplan/FloorPlans.vue") },
    { path: "/people", component: () => import("./desk/people/People.vue") },
    { path: "/roster", component: () => import("./desk/roster/Roster.vue") },
    { path: "/handover", component: () => import("./desk/handover/Handovers.vue") },
    { path: "/responsibilities", component: () => import("./desk/responsibilities/Responsibilities.vue") },
    { path: "/account", component: () => import("./desk/account/Account.vue") },
    { path: "/accounts", component: () => import("./desk/accounts/Accounts.vue") },
    { path: "/phones", component: () => import("./desk/phones/Phones.vue") },
    { path: "/tokens", component: () => import("./desk/tokens/Tokens.vue") },
    { path: "/phone/:code", component: () => import("./screens/PhoneEntry.vue") },
    { path: "/invitation/:token", component: () => import("./screens/Invitation.vue") },
    { path: "/login", component: LogIn },
    { path: "/setup", component: () => import("./screens/SetUp.vue") },
    { path: "/:rest(.*)*", redirect: "/" },
  ],
});

/** The page that the hub did not hand out when it was asked for; empty: none. */
export const missingPage = ref("");
router.onError((_error, to) => (missingPage.value = to.fullPath));
router.afterEach(() => (missingPage.value = ""));
