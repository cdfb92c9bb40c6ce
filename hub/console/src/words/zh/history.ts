/** Pages with lists. */

export const history = {
  // Alarm history
  "history.page": "报警记录",
  "history.open": "未关闭",
  "history.all": "全部",
  "history.priority": "级别",
  "history.what": "报警",
  "history.where": "部位",
  "history.when": "发生",
  "history.state": "状态",
  "history.verification": "核实",
  "history.by": "接警人",
  "history.search": "查找报警或部位",
  "history.none": "没有符合条件的报警",
  "history.loading": "正在读取…",
  "history.failed": "读取失败，不知道有没有记录：{reason}",
  "history.anyPriority": "全部级别",
  "history.retry": "再读一次",
  "history.shown": "显示 {n} 条",
};
