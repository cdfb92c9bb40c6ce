/** Starting a plan by hand. */

export const start = {
  "start.title": "手动启动预案",
  "start.intro": "启动后立即通知各岗位",
  "start.plan": "预案",
  "start.zone": "部位",
  "start.wholeSite": "整个校园",
  "start.nature": "性质",
  "start.real": "真实事件",
  "start.drill": "演练",
  "start.reason": "依据",
  "start.reasonHint": "谁报告了什么；写入台账",
  "start.go": "启动预案",
  "start.goDrill": "开始演练",
};
