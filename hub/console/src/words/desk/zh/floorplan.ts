/** Floor plans. */

export const floorplan = {
  "plan.which": "哪个区域的平面图",
  "plan.missing": "没有图",
  "plan.none": "这里还没有平面图",
  "plan.edit": "编辑",
  "plan.save": "保存",
  "plan.cancel": "放弃修改",
  "plan.file": "上传{zone}的平面图（PNG、JPEG、SVG、PDF，10 MB 以内）",
  "plan.page": "PDF 页码",
  "plan.busy": "正在处理……",
  "plan.corner": "第 {n} 个角点",
  "plan.keys": "拖动，或用 Tab 选中后按方向键移动（Shift 微调），Delete 移除；角点上按 Enter 增加角点",
  "plan.outlines": "区域轮廓",
  "plan.noOutline": "未画",
  "plan.takeOff": "移除",
  "plan.unplaced": "未放置的设备 {n}",
};
