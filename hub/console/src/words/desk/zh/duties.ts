/** Who answers for what. */

export const duties = {
  "duties.place": "部位",
  "duties.duty": "查无人负责的事项",
  "duties.every": "显示全部事项",
  "duties.unanswered": "{n} 个部位此项今天无人负责",
  "duties.answered": "{n} 个部位此项均有人负责",
  "duties.now": "此刻谁负责",
  "duties.nobody": "此刻无人负责",
  "duties.onDuty": "当班：{post}",
  "duties.by": "依据：{place}的登记",
  "duties.byWhole": "（安全总责）",
  "duties.entered": "此处的登记",
  "duties.none": "此处没有登记，按上级部位",
  "duties.add": "登记负责人",
  "duties.change": "修改登记",
  "duties.rank": "次序",
  "duties.rank.first": "第一责任人",
  "duties.rank.deputy": "副职",
};
