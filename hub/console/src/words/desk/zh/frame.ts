/** What the desk pages share: their names, ages, forms and tables. */

export const frame = {
  "page.readAt": "读于 {at}（{old}前）",
  "page.again": "重新读取",
  "page.failed": "读取失败，这里有什么并不知道：{reason}",
  "page.failedOld": "读取失败：{reason}。以下是 {at} 时的内容",

  "form.optional": "可不填",
  "form.save": "保存",
  "form.cancel": "取消",
  "form.close": "关闭",
  "form.reason": "理由（必填）",
  "form.missing": "还没有填",
  "form.choose": "请选择",
  "form.tooLong": "最多 {n} 个字",
  "form.badNumber": "填 {low} 到 {high} 之间的数",
  "form.badOrder": "结束要晚于开始",
  "table.shown": "显示 {n} / {total} 行",
  "table.more": "再显示一些",
  "table.export": "导出 CSV",
  "filter.search": "查找",
};
