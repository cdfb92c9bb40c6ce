/** The pages. The hash carries the path, so that any server may hand out the console. */

import { createRouter, createWebHashHistory } from "vue-router";
import AlarmHistory from "./screens/AlarmHistory.vue";
import AlarmPage from "./screens/AlarmPage.vue";
import Devices from "./screens/Devices.vue";
import Hazards from "./screens/Hazards.vue";
import Incidents from "./screens/Incidents.vue";
import LogIn from "./screens/LogIn.vue";
import SetUp from "./screens/SetUp.vue";
import Wall from "./screens/Wall.vue";

/** Pages before anyone is logged in stand without bars. */
export const gates = ["/login", "/setup"];

export const router = createRouter({
  history: createWebHashHistory(),
  routes: [
    { path: "/", component: Wall },
    { path: "/alarms", component: AlarmHistory },
    { path: "/alarms/:alarm(\\d+)", component: AlarmPage },
    { path: "/hazards", component: Hazards },
    { path: "/devices", component: Devices },
    { path: "/incidents/:incident(\\d+)?", component: Incidents },
    { path: "/login", component: LogIn },
    { path: "/setup", component: SetUp },
    { path: "/:rest(.*)*", redirect: "/" },
  ],
});
